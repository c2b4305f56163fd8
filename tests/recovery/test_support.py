"""Sparse regression with curvature: the exact minimum for given weights, and a choice of weights near the best one."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from prunelab.recovery.support import Quadratic, quadratic, solve, support

OUTPUTS, INPUTS, ROWS, RIDGE = 3, 4, 50, 0.01


@pytest.fixture(params=range(4))
def problem(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights, inputs that depend on each other, targets, and a curvature with terms off its diagonal; float64."""
    generator = torch.Generator().manual_seed(request.param)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weight, inputs, factor = drawn(OUTPUTS, INPUTS), drawn(ROWS, INPUTS) @ drawn(INPUTS, INPUTS), drawn(8, OUTPUTS)
    return weight, inputs, inputs @ weight.T + 0.1 * drawn(ROWS, OUTPUTS), factor.T @ factor / 8


def objective(weight: Tensor, problem: tuple[Tensor, Tensor, Tensor, Tensor]) -> float:
    """As the module's docstring writes it."""
    before, inputs, target, curvature = problem
    ridge = RIDGE * (inputs.square().sum(0) / ROWS).mean()
    error, change = inputs @ weight.T - target, weight - before
    return float((curvature @ (error.T @ error / ROWS + ridge * change @ change.T)).trace())


def exact(given: Quadratic, allowed: Tensor) -> Tensor:
    """The minimum by one dense system of equations."""
    system = torch.kron(given.curvature, given.gram)[allowed.flatten()][:, allowed.flatten()]
    found = torch.zeros_like(given.wanted)
    found[allowed] = torch.linalg.solve(system, (given.curvature @ given.wanted)[allowed])
    return found


def test_the_chosen_weights_take_their_best_values(problem: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    given = quadratic(*problem, RIDGE)
    allowed = torch.rand(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(0)) < 0.6
    found = solve(given, problem[0], allowed)
    assert not found[~allowed].any()
    best = exact(given, allowed)
    torch.testing.assert_close(objective(found, problem), objective(best, problem), rtol=1e-4, atol=1e-6)
    for place in allowed.nonzero().tolist():
        for step in (-0.01, 0.01):
            moved = best.clone()
            moved[place[0], place[1]] += step
            assert objective(moved, problem) > objective(best, problem)


def test_the_choice_is_near_the_best_of_all(problem: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    """Of 495 ways to choose 4 of 12 weights, it is better than magnitude's, and than nearly all of them."""
    given, count = quadratic(*problem, RIDGE), 4
    chosen, near = support(given, torch.ones(INPUTS, dtype=torch.bool), count)
    assert int(chosen.sum()) == count
    assert not near[~chosen].any()

    def best(places: Tensor) -> float:
        return objective(exact(given, places), problem)

    every = []
    for places in combinations(range(OUTPUTS * INPUTS), count):
        allowed = torch.zeros(OUTPUTS * INPUTS, dtype=torch.bool)
        allowed[list(places)] = True
        every.append(best(allowed.view(OUTPUTS, INPUTS)))
    magnitude = torch.zeros(OUTPUTS * INPUTS, dtype=torch.bool)
    magnitude[problem[0].flatten().abs().topk(count).indices] = True
    found = best(chosen)
    assert found <= best(magnitude.view(OUTPUTS, INPUTS)) * (1 + 1e-9)
    assert sum(other < found * (1 - 1e-9) for other in every) <= 0.03 * len(every)


def test_columns_that_are_not_free_stay_without_being_counted(problem: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    chosen, _ = support(quadratic(*problem, RIDGE), torch.tensor([True, True, True, False]), 2)
    assert chosen[:, 3].all()
    assert int(chosen[:, :3].sum()) == 2
