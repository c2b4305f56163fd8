"""What is timed is the network, in each of its forms; how long it takes is measured."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from prunelab.compose import compose_job
from prunelab.measure.latency import CSR, DENSE, forms, latency
from prunelab.network.chain import chain, csr_chain
from prunelab.network.mlp import MLP
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.prune import Pruned, prune


def network(bias: bool = True) -> MLP:
    torch.manual_seed(0)
    return MLP(9, 4, hidden=[8, 7], bias=bias, activation="gelu", initialisation="glorot_uniform")


def pruned(dense: nn.Module, method: str, percentage: float) -> Pruned:
    images = Calibration(torch.rand(30, 9), torch.randint(4, (30,)), seed=0)
    return prune(dense, compose_job([f"method={method}"]).method, percentage, images)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("percentage", [0.0, 60.0, 100.0])
@pytest.mark.parametrize("method", ["weight", "neuron"])
def test_every_form_that_is_timed_computes_the_same(method: str, percentage: float, bias: bool) -> None:
    dense = network(bias)
    result = pruned(dense, method, percentage)
    every = forms(dense, result, compact(result.network, result.masks).network)
    assert set(every) == {"dense", "masked", "compacted", *(["csr"] if method == "weight" else [])}
    images = torch.rand(11, 9)
    with torch.no_grad():
        assert torch.allclose(every.pop(DENSE)(images), dense(images), atol=1e-6)
        for form in every.values():
            assert torch.allclose(form(images), result.network(images), atol=1e-5)


def test_a_network_that_is_no_chain_is_timed_as_it_is() -> None:
    class Residual(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images + 1

    other = Residual()
    assert chain(other) is other
    assert csr_chain(other) is None


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
