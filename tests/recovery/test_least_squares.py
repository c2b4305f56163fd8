"""Least squares: never worse on its own objective, exact where an exact answer exists, the same by both solvers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples
from tests.small import Residual, everything, linear_layers, mlp, mlp_graph, pruned_by
from torch import Tensor, nn

from prunelab.graph.analyse import analyse
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.granularity import Neuron, Weight
from prunelab.pruning.prune import Pruned
from prunelab.recovery.least_squares import Options, layer_targets, refit
from prunelab.recovery.ridge_regression import refit_matrix


def error(layer: nn.Linear, inputs: Tensor, target: Tensor) -> float:
    return float((layer(inputs) - target).square().mean())


def solve(layer: nn.Linear, allowed: Tensor, inputs: Tensor, target: Tensor, ridge: float) -> None:
    outputs = torch.ones(len(allowed), dtype=torch.bool)
    bias = None if layer.bias is None else layer.bias.data
    refit_matrix(layer.weight.data, bias, allowed, outputs, inputs, target, ridge)


def refitted(pruned: Pruned, dense: nn.Module, images: Tensor, ridge: float) -> nn.Module:
    given = Calibration(images, None, seed=0)
    options = Options(ridge=ridge, steps=1)
    return refit(pruned, layer_targets(dense, pruned.graph, given), given, options).network


@settings(max_examples=examples(60))
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
    allowed = torch.rand(rows, columns, generator=generator) < density
    layer = nn.Linear(columns, rows, bias=bias)
    with torch.no_grad():
        layer.weight.copy_(dense.weight * allowed)
        if bias:
            layer.bias.copy_(dense.bias)
        before = error(layer, inputs, target)
        solve(layer, allowed, inputs, target, ridge)
        assert error(layer, inputs, target) <= before * (1 + 1e-4) + 1e-6
        assert not layer.weight[~allowed].any()


def test_a_neuron_that_another_one_repeats_is_replaced_without_loss() -> None:
    network = mlp(6, 3, [4], bias=False)
    first, last = linear_layers(network)
    with torch.no_grad():
        first.weight[1] = 2 * first.weight[0]
    images = torch.rand(200, 6, generator=torch.Generator().manual_seed(0))
    pruned = pruned_by(network, mlp_graph(6, 3, (4,), False), Neuron(), [torch.tensor([True, False, True, True])])
    found = refitted(pruned, network, images, ridge=1e-7)
    torch.testing.assert_close(found(images), network(images), atol=2e-3, rtol=1e-3)
    expected = last.weight[:, 0] + 2 * last.weight[:, 1]
    torch.testing.assert_close(linear_layers(found)[-1].weight[:, 0], expected, atol=5e-3, rtol=5e-3)


def test_a_channel_that_another_one_repeats_is_replaced_without_loss() -> None:
    network = Residual().eval()
    with torch.no_grad():
        network.widen.weight[1] = 2 * network.widen.weight[0]
        network.widen.bias[1] = 2 * network.widen.bias[0]
    images = torch.rand(60, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    graph = analyse(network, images)
    kept = everything(graph, Neuron())
    kept[1][1] = False
    found = refitted(pruned_by(network, graph, Neuron(), kept), network, images, ridge=1e-7)
    torch.testing.assert_close(found(images), network(images), atol=5e-3, rtol=1e-3)
    expected = network.narrow.weight[:, 0] + 2 * network.narrow.weight[:, 1]
    torch.testing.assert_close(found.get_submodule("narrow").weight[:, 0], expected, atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("bias", [False, True])
def test_conjugate_gradients_and_the_factorisation_agree(bias: bool) -> None:
    torch.manual_seed(1)
    dense = nn.Linear(30, 20, bias=bias)
    inputs = torch.randn(500, 30).relu()
    target = dense(inputs).detach() + 0.1 * torch.randn(500, 20)
    solved = []
    for extra in (0, 1):  # one forbidden weight in a row of its own sends the layer to the other solver
        layer = nn.Linear(30, 20 + extra, bias=bias)
        allowed = torch.ones(20 + extra, 30, dtype=torch.bool)
        wanted = target
        with torch.no_grad():
            layer.weight.zero_()
            if bias:
                layer.bias.zero_()
            if extra:
                allowed[20, 0] = False
                wanted = torch.cat([target, target[:, :1]], dim=1)
            solve(layer, allowed, inputs, wanted, 1e-3)
            solved.append(layer.weight[:20].clone())
    torch.testing.assert_close(solved[0], solved[1], atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("granularity", [Neuron(), Weight()])
def test_nothing_removed_changes_nothing(granularity: Neuron | Weight) -> None:
    network, graph = mlp(6, 3, [4, 5]), mlp_graph(6, 3, (4, 5))
    pruned = pruned_by(network, graph, granularity, everything(graph, granularity))
    found = refitted(pruned, network, torch.rand(50, 6), 1e-3)
    for one, two in zip(network.state_dict().values(), found.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_a_layer_that_is_used_twice_stays_as_it_is() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.again, self.output = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.output(self.again(self.again(self.first(images)).relu()).relu())
            return logits

    torch.manual_seed(0)
    network, images = Twice(), torch.randn(40, 6)
    graph = analyse(network, images)
    kept = everything(graph, Weight())
    kept[0][0, 0] = kept[1][0, 0] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    found = refitted(pruned, network, images, 1e-3)
    assert torch.equal(found.get_submodule("again").weight, pruned.network.get_submodule("again").weight)
    assert not torch.equal(found.get_submodule("output").weight, network.output.weight)


def after_the_relu(layer: nn.Linear, inputs: Tensor, target: Tensor) -> float:
    return float((layer(inputs).relu() - target.relu()).square().mean())


@pytest.mark.parametrize("density", [0.3, 1.0])
@pytest.mark.parametrize("bias", [False, True])
def test_rounds_lower_the_error_that_a_relu_lets_through(bias: bool, density: float) -> None:
    generator = torch.Generator().manual_seed(3)
    dense, inputs = nn.Linear(30, 20, bias=bias), torch.randn(800, 30, generator=generator).relu()
    target = dense(inputs).detach() + 0.3 * torch.randn(800, 20, generator=generator)
    allowed = torch.rand(20, 30, generator=generator) < density
    found, linear = [], []
    for rounds in (0, 1, 4, 16):
        layer = nn.Linear(30, 20, bias=bias)
        with torch.no_grad():
            layer.weight.copy_(dense.weight * allowed)
            if bias:
                layer.bias.copy_(dense.bias)
            refit_matrix(
                *(layer.weight.data, layer.bias.data if bias else None, allowed, torch.ones(20, dtype=torch.bool)),
                *(inputs, target, 1e-3, rounds),
            )
            assert not layer.weight[~allowed].any()
            outputs = layer(inputs)
            one_sided = torch.where(target > 0, outputs - target, outputs.clamp_min(0)).square().mean()
            found.append((float(one_sided), after_the_relu(layer, inputs, target)))
            linear.append(error(layer, inputs, target))
    objectives = [objective for objective, _ in found]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] < 0.95 * objectives[0]
    assert found[-1][1] < 0.95 * found[0][1]
    assert linear == sorted(linear)  # what the ReLU hides pays for it


@pytest.mark.parametrize("after", ["relu", "relu_", "gelu", "bare", "twice"])
def test_only_layers_before_a_relu_are_refitted_to_what_it_lets_through(after: str) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.middle, self.output = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            hidden = self.middle(self.first(images).tanh())
            used = {
                "relu": lambda: hidden.relu(),
                "relu_": lambda: hidden.relu_(),
                "gelu": lambda: nn.functional.gelu(hidden),
                "bare": lambda: hidden,
                "twice": lambda: hidden.relu() + hidden,
            }[after]()
            logits: Tensor = self.output(used)
            return logits

    torch.manual_seed(0)
    network, images = Network(), torch.randn(200, 6)
    graph = analyse(network, images)
    assert [layer.name for layer in graph.layers if layer.rectified] == (["middle"] if "relu" in after else [])
    kept = everything(graph, Weight())
    kept[0][::2] = kept[1][:, ::2] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    weights = []
    for rounds in (0, 3):
        given = Calibration(images, None, seed=0)
        options = Options(ridge=1e-3, steps=1, rectify=rounds)
        weights.append(refit(pruned, layer_targets(network, graph, given), given, options).network.state_dict())
    assert torch.equal(weights[0]["first.weight"], weights[1]["first.weight"])
    assert torch.equal(weights[0]["middle.weight"], weights[1]["middle.weight"]) == ("relu" not in after)


def test_no_more_rows_than_asked_for_are_fitted() -> None:
    network, graph = mlp(6, 3, [4]), mlp_graph(6, 3, (4,))
    given = Calibration(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), None, seed=0)
    kept = everything(graph, Weight())
    kept[0][:, :3] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    found = []
    for rows in (20, 50, 51):
        targets = layer_targets(network, graph, given, rows)
        assert {len(target) for target in targets.values()} == {min(rows, 50)}
        found.append(refit(pruned, targets, given, Options(ridge=1e-3, steps=1, rows=rows)).network.state_dict())
    assert torch.equal(found[1]["output.weight"], found[2]["output.weight"])
    assert not torch.equal(found[0]["output.weight"], found[1]["output.weight"])
