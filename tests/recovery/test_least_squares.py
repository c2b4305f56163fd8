"""Least squares: never worse on its own objective, exact where an exact answer exists, the same by both solvers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunelab.config import Granularity
from prunelab.network.layers import linear_layers
from prunelab.network.mlp import MLP
from prunelab.pruning.calibration import layer_inputs
from prunelab.pruning.masks import LayerMask, layer_masks, masked
from prunelab.pruning.prune import Pruned
from prunelab.recovery.least_squares import refit, refit_layer


def error(layer: nn.Linear, inputs: Tensor, target: Tensor) -> float:
    return float((layer(inputs) - target).square().mean())


@settings(max_examples=60)
@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from([1e-6, 1e-3, 1.0]),
    st.integers(0, 10_000),
)
def test_a_layer_is_never_worse_than_without(
    columns: int, rows: int, density: float, bias: bool, ridge: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    dense = nn.Linear(columns, rows, bias=bias)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    inputs = torch.randn(40, columns, generator=generator).relu()
    target = dense(inputs).detach()
    mask = LayerMask(torch.rand(rows, columns, generator=generator) < density, torch.ones(rows, dtype=torch.bool))
    layer = nn.Linear(columns, rows, bias=bias)
    with torch.no_grad():
        layer.weight.copy_(dense.weight * mask.weight)
        if bias:
            layer.bias.copy_(dense.bias)
        before = error(layer, inputs, target)
        refit_layer(layer, mask, inputs, target, ridge)
        assert error(layer, inputs, target) <= before * (1 + 1e-4) + 1e-6
        assert not layer.weight[~mask.weight].any()


def test_a_neuron_that_another_one_repeats_is_replaced_without_loss() -> None:
    torch.manual_seed(0)
    network = MLP(6, 3, hidden=[4], bias=False, activation="relu", initialisation="glorot_uniform")
    first, last = linear_layers(network)
    with torch.no_grad():
        first.weight[1] = 2 * first.weight[0]
    images = torch.rand(200, 6)
    kept = [torch.tensor([True, False, True, True])]
    masks = layer_masks(network, kept, Granularity.NEURON)
    pruned = Pruned(masked(network, masks), kept, masks, Granularity.NEURON)
    refitted = refit(pruned, network, images, ridge=1e-7)
    torch.testing.assert_close(refitted.network(images), network(images), atol=2e-3, rtol=1e-3)
    expected = last.weight[:, 0] + 2 * last.weight[:, 1]
    torch.testing.assert_close(linear_layers(refitted.network)[-1].weight[:, 0], expected, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("bias", [False, True])
def test_conjugate_gradients_and_the_factorisation_agree(bias: bool) -> None:
    torch.manual_seed(1)
    dense = nn.Linear(30, 20, bias=bias)
    inputs = torch.randn(500, 30).relu()
    target = dense(inputs).detach() + 0.1 * torch.randn(500, 20)
    solved = []
    for extra in (0, 1):  # one forbidden weight in a row of its own sends the layer to the other solver
        layer = nn.Linear(30, 20 + extra, bias=bias)
        mask = LayerMask(torch.ones(20 + extra, 30, dtype=torch.bool), torch.ones(20 + extra, dtype=torch.bool))
        wanted = target
        with torch.no_grad():
            layer.weight.zero_()
            if bias:
                layer.bias.zero_()
            if extra:
                mask.weight[20, 0] = False
                wanted = torch.cat([target, target[:, :1]], dim=1)
            refit_layer(layer, mask, inputs, wanted, 1e-3)
            solved.append(layer.weight[:20].clone())
    torch.testing.assert_close(solved[0], solved[1], atol=2e-3, rtol=1e-2)


def test_nothing_removed_changes_nothing() -> None:
    torch.manual_seed(0)
    network = MLP(6, 3, hidden=[4, 5], bias=True, activation="relu", initialisation="glorot_uniform")
    kept = [torch.ones(4, dtype=torch.bool), torch.ones(5, dtype=torch.bool)]
    masks = layer_masks(network, kept, Granularity.NEURON)
    refitted = refit(Pruned(network, kept, masks, Granularity.NEURON), network, torch.rand(50, 6), 1e-3)
    for one, two in zip(network.state_dict().values(), refitted.network.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_what_a_layer_is_given_is_recorded_in_order() -> None:
    network = MLP(6, 3, hidden=[4, 5], bias=False, activation="relu", initialisation="glorot_uniform")
    images = torch.rand(7, 6)
    inputs = layer_inputs(network, images)
    assert [given.shape for given in inputs] == [(7, 6), (7, 4), (7, 5)]
    assert torch.equal(inputs[0], images)
    assert torch.equal(inputs[1], linear_layers(network)[0](images).relu())
