"""The fast form of a chain, the sparse one, and functions of arrays as operators."""

from __future__ import annotations

import pytest
import torch
from tests.small import mlp

from prunelab.measure.latency import DENSE, TURNS, latency
from prunelab.network.chain import Array, OnArrays, csr_chain


def test_a_function_of_arrays_gets_its_batch_as_an_array_that_is_made_once() -> None:
    given: list[int] = []

    def run(images: Array) -> Array:
        given.append(id(images))
        return images

    operator = OnArrays(run)
    assert torch.equal(operator(torch.ones(2, 3)), torch.ones(2, 3))
    given.clear()
    latency({DENSE: operator}, torch.rand(4, 3), 4, seconds=0.001, repeats=1, attempts=1)
    assert len(given) > TURNS
    assert len(set(given)) == 1


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("count", [1, 5, 64])
@torch.no_grad()
def test_a_sparse_chain_gives_the_same_for_any_number_of_images(count: int, bias: bool) -> None:
    dense = mlp(9, 4, [8, 7], bias, "gelu")
    sparse, images = csr_chain(dense), torch.rand(count, 1, 3, 3)
    assert sparse is not None
    assert torch.allclose(sparse(images), dense(images), atol=1e-6)
