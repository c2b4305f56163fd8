"""Merging: exact where a removed neuron is a copy, in scale too; never between neurons that have nothing in common."""

from __future__ import annotations

import pytest
import torch
from tests.small import Residual, everything, linear_layers, mlp, pruned_by
from torch import Tensor, nn

from prunelab.compose import compose_job
from prunelab.graph.analyse import analyse
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.granularity import Neuron
from prunelab.pruning.prune import Pruned
from prunelab.recovery import merge
from prunelab.recovery.recover import Task


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def without(network: nn.Module, images: Tensor, units: list[int]) -> tuple[Pruned, Task]:
    """The network without some units (counted from 0), and a task in which it was pruned so."""
    network.eval()
    graph, granularity = analyse(network, images), Neuron()
    kept = everything(graph, granularity)
    for group, choice in zip(graph.groups, kept, strict=True):
        for unit in units:
            if group.first <= unit + 1 < group.first + group.size:
                choice[unit + 1 - group.first] = False
    job = compose_job(["method=neuron"])
    given = Calibration(images, None, 0)
    task = Task(network, graph, given, job.method, 10.0, job.percentage_of, 0, None)
    return pruned_by(network, graph, granularity, kept), task


@pytest.mark.parametrize("bias", [False, True])
def test_a_scaled_copy_is_merged_without_loss(bias: bool) -> None:
    network = mlp(8, 3, [6], bias=bias)
    first, _ = linear_layers(network)
    with torch.no_grad():
        first.weight[3] = 2.5 * first.weight[0]
        if bias:
            first.bias[3] = 2.5 * first.bias[0]
    images = drawn(80, 8)
    pruned, task = without(network, images, [3])
    assert not torch.allclose(pruned.network(images), network(images), atol=1e-2)
    merged = merge.recover(pruned, task, merge.Options(similarity=0.9))
    torch.testing.assert_close(merged.network(images), network(images), atol=1e-4, rtol=1e-4)


def test_with_a_bias_a_neuron_that_is_another_plus_a_constant_is_merged_without_loss() -> None:
    network = mlp(8, 3, [6], activation="relu")
    first, _ = linear_layers(network)
    with torch.no_grad():
        first.bias += 20  # never rectified
        first.weight[4] = 0.5 * first.weight[1]
    images = drawn(80, 8)
    pruned, task = without(network, images, [4])
    merged = merge.recover(pruned, task, merge.Options(similarity=0.9))
    torch.testing.assert_close(merged.network(images), network(images), atol=1e-3, rtol=1e-4)


def test_below_the_similarity_nothing_is_merged() -> None:
    network, images = mlp(8, 3, [6]), drawn(80, 8)
    pruned, task = without(network, images, [2])
    merged = merge.recover(pruned, task, merge.Options(similarity=1.0))
    torch.testing.assert_close(merged.network(images), pruned.network(images))


def test_channels_of_a_residual_stream_are_merged_in_each_layer_that_reads_them() -> None:
    """Channel 5 of the stream is a copy of channel 2; they are read by windows, and as means over positions."""
    network = Residual(seed=2)
    with torch.no_grad():
        for module in (network.stem, network.narrow):
            module.weight[5], module.bias[5] = module.weight[2], module.bias[2]
        for value in (network.norm.weight, network.norm.bias, network.norm.running_mean, network.norm.running_var):
            assert value is not None
            value[5] = value[2]
    images = drawn(30, 4, 6, 6)
    pruned, task = without(network, images, [5])
    merged = merge.recover(pruned, task, merge.Options(similarity=0.9))
    torch.testing.assert_close(merged.network(images), network(images), atol=1e-4, rtol=1e-4)
