"""The fast form of a chain, the sparse one in pieces, and functions of arrays as operators."""

from __future__ import annotations

import pytest
import torch
from tests.small import mlp

from prunelab.measure.latency import DENSE, TURNS, latency
from prunelab.network.chain import PIECE, Array, OnArrays, csr_chain, in_pieces


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
@pytest.mark.parametrize("count", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5])
@torch.no_grad()
def test_a_sparse_chain_gives_the_same_for_any_number_of_images_and_sees_few_at_once(count: int, bias: bool) -> None:
    dense = mlp(9, 4, [8, 7], bias, "gelu")
    sparse, images = csr_chain(dense), torch.rand(count, 1, 3, 3)
    assert sparse is not None
    found = sparse(images)
    assert found.shape == (count, 4)
    assert torch.allclose(found, dense(images), atol=1e-6)
    seen: list[int] = []
    in_pieces(lambda columns: seen.append(columns.shape[1]) or columns)(images)  # type: ignore[func-returns-value]
    assert sum(seen) == count
    assert max(seen) <= PIECE
