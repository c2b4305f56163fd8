"""Every file of conf/method, whatever it is called, keeps the promises of a pruning method."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from prunelab.compose import compose_job
from prunelab.config import CONF, Granularity, Method
from prunelab.network.layers import hidden_layers, linear_layers
from prunelab.network.mlp import MLP
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.prune import Pruned
from prunelab.pruning.prune import prune as prune_on

METHODS = sorted(file.stem for file in (CONF / "method").glob("*.yaml"))
UNITS = {Granularity.WEIGHT: 12 * 8 + 8 * 6, Granularity.NEURON: 8 + 6}


IMAGES = Calibration(torch.rand(60, 12, generator=torch.Generator().manual_seed(1)), torch.arange(60) % 4, seed=5)


def prune(network: nn.Module, method: Method, percentage: float) -> Pruned:
    return prune_on(network, method, percentage, IMAGES)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    return compose_job([f"method={request.param}"]).method


@pytest.fixture(params=[False, True], ids=["without biases", "with biases"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(3)
    network = MLP(12, 4, hidden=[8, 6], bias=request.param, activation="relu", initialisation="glorot_uniform")
    for layer in linear_layers(network):
        if layer.bias is not None:
            nn.init.normal_(layer.bias)
    return network


def removed(pruned: Pruned) -> int:
    return sum(int((~kept).sum()) for kept in pruned.kept)


@pytest.mark.parametrize("percentage", [0.0, 1.0, 33.0, 50.0, 99.0, 100.0])
def test_exactly_the_floor_is_removed(method: Method, network: nn.Module, percentage: float) -> None:
    pruned = prune(network, method, percentage)
    assert removed(pruned) == int(percentage) * UNITS[method.granularity] // 100


def test_the_network_itself_is_left_untouched(method: Method, network: nn.Module) -> None:
    before = copy.deepcopy(network.state_dict())
    prune(network, method, 60.0)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_nothing_removed_changes_nothing(method: Method, network: nn.Module) -> None:
    images = torch.rand(5, 12)
    assert torch.equal(prune(network, method, 0.0).network(images), network(images))


def test_what_was_removed_is_zero_and_what_stays_is_as_it_was(method: Method, network: nn.Module) -> None:
    pruned = prune(network, method, 60.0)
    for before, after, mask in zip(linear_layers(network), linear_layers(pruned.network), pruned.masks, strict=True):
        assert torch.equal(after.weight, before.weight * mask.weight)
        if before.bias is not None:
            assert torch.equal(after.bias, before.bias * mask.bias)


def test_the_output_layer_keeps_all_its_units(method: Method, network: nn.Module) -> None:
    pruned = prune(network, method, 60.0)
    assert len(pruned.kept) == len(hidden_layers(network))
    if method.granularity is Granularity.WEIGHT:
        assert pruned.masks[-1].weight.all()
    assert pruned.masks[-1].bias.all()


def test_masks_nest_as_the_percentage_grows(method: Method, network: nn.Module) -> None:
    previous = prune(network, method, 0.0)
    for percentage in (20.0, 50.0, 80.0, 100.0):
        current = prune(network, method, percentage)
        for before, after in zip(previous.kept, current.kept, strict=True):
            assert not (after & ~before).any()
        previous = current


def test_the_same_twice_is_the_same(method: Method, network: nn.Module) -> None:
    one, two = prune(network, method, 40.0), prune(network, method, 40.0)
    for first, second in zip(one.kept, two.kept, strict=True):
        assert torch.equal(first, second)


def test_a_floor_keeps_every_layer_alive(method: Method, network: nn.Module) -> None:
    pruned = prune(network, method.model_copy(update={"min_keep": 2}), 70.0)
    assert removed(pruned) == 70 * UNITS[method.granularity] // 100
    assert all(int(kept.sum()) >= 2 for kept in pruned.kept)


def test_the_random_baseline_is_there_for_both_granularities() -> None:
    assert {"weight_random", "neuron_random", "weight", "neuron"} <= set(METHODS)


def test_a_removed_neuron_contributes_nothing_even_with_a_bias_and_an_activation_that_is_not_zero_at_zero() -> None:
    torch.manual_seed(0)
    network = MLP(5, 3, hidden=[4], bias=True, activation="sigmoid", initialisation="glorot_uniform")
    nn.init.normal_(linear_layers(network)[0].bias)
    pruned = prune(network, compose_job(["method=neuron"]).method, 100.0)
    output = pruned.network(torch.rand(7, 5))
    assert torch.equal(output, linear_layers(network)[-1].bias.expand(7, 3))
