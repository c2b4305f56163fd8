"""The solver of least squares: never worse on its own objective, the same by both of its ways."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples
from torch import Tensor, nn

from prunelab.recovery.ridge_regression import refit_matrix


def error(layer: nn.Linear, inputs: Tensor, target: Tensor) -> float:
    return float((layer(inputs) - target).square().mean())


def solve(layer: nn.Linear, allowed: Tensor, inputs: Tensor, target: Tensor, ridge: float) -> None:
    outputs = torch.ones(len(allowed), dtype=torch.bool)
    bias = None if layer.bias is None else layer.bias.data
    refit_matrix(layer.weight.data, bias, allowed, outputs, inputs, target, ridge)


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


@pytest.mark.parametrize("density", [0.4, 1.0])
def test_what_is_added_before_the_relu_moves_its_zero(density: float) -> None:
    generator = torch.Generator().manual_seed(5)
    inputs, added = torch.randn(600, 12, generator=generator), torch.randn(600, 7, generator=generator)
    target = torch.randn(600, 7, generator=generator) + inputs[:, :7] - added
    allowed = torch.rand(7, 12, generator=generator) < density
    found = []
    for before in (None, added):
        weight, bias = torch.zeros(7, 12), torch.zeros(7)
        refit_matrix(weight, bias, allowed, torch.ones(7, dtype=torch.bool), inputs, target, 1e-4, 8, before)
        outputs = inputs @ weight.T + bias + added
        found.append(float((outputs.relu() - (target + added).relu()).square().mean()))
    assert found[1] < 0.98 * found[0]
