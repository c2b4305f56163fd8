"""ADMM: other weights are chosen, as many in each layer, and the network is nearer to the dense one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.recovery.tasks import distance, drawn, recovered, task_of
from tests.small import Residual, mlp, mlp_graph

from prunelab.compose import compose_job
from prunelab.errors import ConfigError
from prunelab.graph.analyse import analyse
from prunelab.recovery.recover import recover


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("percentage", [60.0, 80.0])
def test_it_is_nearer_to_the_dense_network_than_least_squares_is(bias: bool, percentage: float) -> None:
    images = drawn(400, 20) @ drawn(20, 20)
    task = task_of(mlp(20, 5, [30, 16], bias), mlp_graph(20, 5, (30, 16), bias), images, percentage, "weight_obs")
    _, fitted = recovered(task, "recovery=least_squares")
    _, alike = recovered(task, "recovery=admm", "recovery.damping=1.0")  # errors of all outputs cost the same
    pruned, result = recovered(task, "recovery=admm")
    assert distance(task, result) < 0.9 * distance(task, alike) < distance(task, fitted)
    for before, after in zip(pruned.kept, result.kept, strict=True):
        assert int(before.sum()) == int(after.sum())
        assert not torch.equal(before, after)
    parameters = dict(result.network.named_parameters())
    for layer in result.graph.prunable:
        assert torch.equal(result.mask[layer.weight], result.kept[result.graph.prunable.index(layer)])
        assert not parameters[layer.weight][~result.mask[layer.weight]].any()


def test_convolutions_too() -> None:
    network = Residual()
    task = task_of(network, analyse(network.eval(), drawn(2, 4, 6, 6)), drawn(60, 4, 6, 6), 70.0, "weight_obs")
    _, fitted = recovered(task, "recovery=least_squares")
    pruned, result = recovered(task, "recovery=admm")
    assert distance(task, result) < distance(task, fitted)
    assert [int(kept.sum()) for kept in result.kept] == [int(kept.sum()) for kept in pruned.kept]


def test_neurons_that_were_removed_stay_removed_and_their_refit_is_that_of_least_squares() -> None:
    task = task_of(mlp(20, 5, [30, 16]), mlp_graph(20, 5, (30, 16)), drawn(400, 20), 50.0, "neuron_activation")
    results = [recovered(task, "recovery=admm")[1], recovered(task, "recovery=least_squares", "recovery.ridge=1e-4")[1]]
    for one, other in zip(*(each.network.parameters() for each in results), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("option", ["damping=0", "damping=1.5", "ridge=0", "rows=0", "steps=2"])
def test_options_out_of_bounds_are_refused(option: str) -> None:
    task = task_of(mlp(6, 3, [4]), mlp_graph(6, 3, (4,)), drawn(20, 6), 50.0, "weight")
    with pytest.raises(ConfigError, match=option.split("=")[0]):
        recovered(task, "recovery=admm", f"+recovery.{option}" if "steps" in option else f"recovery.{option}")


def test_a_layer_that_loses_all_its_weights_or_none_is_refitted_as_it_is() -> None:
    network, graph, images = mlp(12, 3, [10, 8]), mlp_graph(12, 3, (10, 8)), drawn(100, 12)
    task = task_of(network, graph, images, 50.0, "weight")
    given: Any = task.prune(network, 50.0)
    for layer, kept in zip(graph.prunable, given.kept, strict=True):
        kept.fill_(layer is graph.prunable[-1])
        given.mask[layer.weight].fill_(layer is graph.prunable[-1])
    result = recover(given.with_network(network), task, compose_job(["recovery=admm"]).recovery)
    assert [bool(kept.any()) for kept in result.kept] == [layer is graph.prunable[-1] for layer in graph.prunable]
    with torch.no_grad():  # only constants are left, so the best prediction is about the mean
        error = result.network(images) - network(images)
    assert error.mean(0).abs().max() < 0.02
