"""Every file of conf/method, whatever it is called, keeps the promises of a pruning method."""

from __future__ import annotations

import copy
from functools import cache
from math import prod

import pytest
import torch
from tests.small import Residual, linear_layers, mlp
from torch import nn

from prunelab.choices import GranularityName
from prunelab.compose import compose_job
from prunelab.config import Method
from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.granularity import granularity_of
from prunelab.pruning.prune import Pruned
from prunelab.pruning.prune import prune as prune_on
from prunelab.reading import CONF

METHODS = sorted(file.stem for file in (CONF / "method").glob("*.yaml"))
NETWORKS = {
    "without biases": lambda: mlp(144, 4, [16, 12], bias=False, seed=3),
    "with biases": lambda: mlp(144, 4, [16, 12], seed=3),
    "residual": lambda: Residual(seed=3),
}
GENERATOR = torch.Generator().manual_seed(1)
IMAGES = Calibration(torch.rand(60, 4, 6, 6, generator=GENERATOR), torch.arange(60) % 4, seed=5)


@cache
def graph_of(name: str) -> Graph:
    return analyse(NETWORKS[name](), IMAGES.images)


@cache
def method_of(name: str) -> Method:
    return compose_job([f"method={name}"]).method


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    return method_of(request.param)


@pytest.fixture(params=NETWORKS)
def subject(request: pytest.FixtureRequest) -> tuple[nn.Module, Graph]:
    return NETWORKS[request.param](), graph_of(request.param)


def prune(subject: tuple[nn.Module, Graph], method: Method, percentage: float) -> Pruned:
    return prune_on(*subject, method, accepted(method, percentage), IMAGES)


def accepted(method: Method, percentage: float) -> float:
    """The percentage itself; of n of every m weights the next that is whole weights of m."""
    if method.granularity is not GranularityName.N_M:
        return percentage
    assert method.m is not None
    return round(percentage * method.m / 100) * 100 / method.m


def removed(pruned: Pruned) -> int:
    return sum(int((~kept).sum()) for kept in pruned.kept)


def units(method: Method, graph: Graph) -> int:
    return sum(prod(shape) for shape in granularity_of(method).shapes(graph))


@pytest.mark.parametrize("percentage", [0.0, 1.0, 33.0, 50.0, 99.0, 100.0])
def test_exactly_the_floor_is_removed(method: Method, subject: tuple[nn.Module, Graph], percentage: float) -> None:
    count = int(accepted(method, percentage)) * units(method, subject[1]) // 100
    assert removed(prune(subject, method, percentage)) == count


def test_units_are_all_weights_or_neurons_but_those_of_the_output_layer() -> None:
    expected = {"without biases": (144 * 16 + 16 * 12, 28), "residual": (288 + 864 + 96, 20)}
    for name, (weights, neurons) in expected.items():
        for method, count in {"weight": weights, "weight_n_m": weights, "neuron": neurons}.items():
            assert units(method_of(method), graph_of(name)) == count
    blocks = units(method_of("weight_block"), graph_of("residual"))
    assert blocks == 2 * 9 + 3 * 18 + 2 * 3


def test_the_network_itself_is_left_untouched(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    network, _ = subject
    before = copy.deepcopy(network.state_dict())
    prune(subject, method, 60.0)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_nothing_removed_changes_nothing(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    network, images = subject[0].eval(), torch.rand(5, 4, 6, 6)
    assert torch.equal(prune((network, subject[1]), method, 0.0).network(images), network(images))


def test_what_was_removed_is_zero_and_what_stays_is_as_it_was(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    pruned = prune(subject, method, 60.0)
    before = dict(subject[0].named_parameters())
    for name, after in pruned.network.named_parameters():
        mask = pruned.mask.get(name)
        assert torch.equal(after, before[name] if mask is None else before[name] * mask)
    assert any(not mask.all() for mask in pruned.mask.values())


def test_the_output_layer_keeps_all_its_units(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    pruned = prune(subject, method, 60.0)
    mask = pruned.mask.get("output.weight")
    if granularity_of(method).sparse:
        assert mask is None
    else:
        assert mask is not None
        assert (mask == mask[:1]).all(), "it loses inputs, but no output"
    assert "output.bias" not in pruned.mask


def test_masks_nest_as_the_percentage_grows(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    previous = prune(subject, method, 0.0)
    for percentage in (20.0, 50.0, 80.0, 100.0):
        current = prune(subject, method, percentage)
        for before, after in zip(previous.kept, current.kept, strict=True):
            assert not (after & ~before).any()
        previous = current


def test_the_same_twice_is_the_same(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    one, two = prune(subject, method, 40.0), prune(subject, method, 40.0)
    for first, second in zip(one.kept, two.kept, strict=True):
        assert torch.equal(first, second)


def test_a_floor_keeps_every_layer_alive(method: Method, subject: tuple[nn.Module, Graph]) -> None:
    pruned = prune(subject, method.model_copy(update={"min_keep": 2}), 70.0)
    assert removed(pruned) == int(accepted(method, 70.0)) * units(method, subject[1]) // 100
    assert all(int(kept.sum()) >= 2 for kept in pruned.kept)


def test_the_random_baseline_is_there_for_both_granularities() -> None:
    assert {"weight_random", "neuron_random", "weight", "neuron"} <= set(METHODS)


def test_a_removed_neuron_contributes_nothing_even_with_a_bias_and_an_activation_that_is_not_zero_at_zero() -> None:
    network = mlp(144, 3, [4], activation="sigmoid")
    graph = analyse(network, IMAGES.images)
    pruned = prune((network, graph), method_of("neuron"), 100.0)
    output = pruned.network(torch.rand(7, 144))
    assert torch.equal(output, linear_layers(network)[-1].bias.expand(7, 3))
