"""What is timed is the network, in each of its forms; how long it takes is measured."""

from __future__ import annotations

import time

import pytest
import torch
from tests.small import Residual, mlp
from torch import Tensor, nn

from prunelab.compose import compose_job
from prunelab.graph.analyse import analyse
from prunelab.measure.latency import CSR, DENSE, forms, latency
from prunelab.network.chain import chain, csr_chain
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.prune import Pruned, prune


def pruned(dense: nn.Module, method: str, percentage: float, images: Tensor) -> Pruned:
    given = Calibration(images, torch.randint(4, (len(images),)), seed=0)
    return prune(dense, analyse(dense, images), compose_job([f"method={method}"]).method, percentage, given)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("percentage", [0.0, 60.0, 100.0])
@pytest.mark.parametrize("method", ["weight", "neuron"])
def test_every_form_that_is_timed_computes_the_same(method: str, percentage: float, bias: bool) -> None:
    dense, images = mlp(9, 4, [8, 7], bias, "gelu"), torch.rand(11, 1, 3, 3)
    result = pruned(dense, method, percentage, images)
    every = forms(dense, result, compact(result).network)
    assert set(every) == {"dense", "masked", "compacted", *(["csr"] if method == "weight" else [])}
    with torch.no_grad():
        assert torch.allclose(every.pop(DENSE)(images), dense(images), atol=1e-6)
        for form in every.values():
            assert torch.allclose(form(images), result.network(images), atol=1e-5)


def test_a_network_that_is_no_chain_is_timed_as_it_is() -> None:
    other, images = Residual().eval(), torch.rand(5, 4, 6, 6)
    assert chain(other) is other
    assert csr_chain(other) is None
    result = pruned(other, "weight", 50.0, images)
    every = forms(other, result, compact(result).network)
    assert set(every) == {"dense", "masked", "compacted"}
    assert every["masked"] is result.network


def test_a_slower_form_measures_slower_and_the_fastest_pruned_one_is_named() -> None:
    def sleeping(seconds: float) -> object:
        return lambda images: time.sleep(seconds)

    every = {"dense": sleeping(0.004), "masked": sleeping(0.008), "compacted": sleeping(0.001), CSR: sleeping(0.016)}
    found = latency(every, torch.rand(5, 3), 2, seconds=0.01, repeats=2)  # type: ignore[arg-type]
    order = sorted(found.milliseconds, key=found.milliseconds.__getitem__)
    assert order == ["compacted", "dense", "masked", "csr"]
    assert found.fastest == "compacted"
    assert found.speedup == found.milliseconds["dense"] / found.milliseconds["compacted"]
    assert found.milliseconds["csr"] >= 16


@pytest.mark.parametrize("size", [1, 5, 12])
def test_a_batch_has_the_size_that_was_asked_for(size: int) -> None:
    seen = set()
    latency({"dense": lambda given: seen.add(given.shape)}, torch.rand(5, 3), size, 0.0001, 1)  # type: ignore
    assert seen == {(size, 3)}


def test_a_machine_that_became_slower_on_the_way_is_noticed() -> None:
    calls = 0

    def tiring(images: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        time.sleep(0.001 if calls <= 3 else 0.004)
        return images

    found = latency({"dense": tiring, "masked": lambda images: images}, torch.rand(5, 3), 1, 0.0001, 1)
    assert found.drift > 1.5
    steady = latency({"dense": lambda images: time.sleep(0.002)}, torch.rand(5, 3), 1, 0.0001, 1)  # type: ignore
    assert steady.drift < 1.5
