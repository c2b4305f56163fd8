"""Sparse regression of all outputs of a layer at once: which weights are not zero, and their values.

With inputs X, targets Z and output curvature S, the objective over matrices W [out, in] is

    tr S (X W' - Z)' (X W' - Z) / n + r tr S (W - W0) (W - W0)'    with a given number of weights that are not zero.

It equals tr S W G W' - 2 tr S C W' up to a constant, where G = X'X / n + r I and C = Z'X / n + r W0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from prunelab.pruning.selection import largest

PENALTY = 0.1
"""ADMM's penalty in the first iteration, where the diagonals of G and S are 1."""
GROWTH = 1.15
"""Factor of the penalty from one iteration to the next."""
FEWEST, MOST = 12, 100
"""Iterations of ADMM."""
STEADY = 1e-3
"""Share of the chosen weights that may still change when ADMM ends."""
CONVERGED = 1e-3
"""Residual norm, relative to the first one, at which conjugate gradients stop."""
ITERATIONS = 30
"""Largest number of iterations of conjugate gradients."""


@dataclass(frozen=True, slots=True)
class Quadratic:
    """The objective tr S W G W' - 2 tr S C W'. `gram`: G [in, in]; `wanted`: C [out, in]; `curvature`: S [out, out]."""

    gram: Tensor
    wanted: Tensor
    curvature: Tensor

    @property
    def scale(self) -> Tensor:
        """Weights times this, [out, in], are in units in which the diagonals of G and S are 1."""
        return (self.curvature.diagonal().unsqueeze(1) * self.gram.diagonal()).sqrt()


def quadratic(weight: Tensor, given: Tensor, target: Tensor, curvature: Tensor, ridge: float) -> Quadratic:
    """The objective of fitting `given` [n, in] to `target` [n, out], with a ridge around `weight` [out, in].

    `ridge`: relative to the mean diagonal of X'X / n. `curvature`: [out, out], positive definite.
    """
    gram = given.T @ given / len(given)
    damping = ridge * gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
    wanted = (given.T @ target / len(given)).T + damping * weight
    gram.diagonal().add_(damping)
    return Quadratic(gram, wanted, curvature)


def support(problem: Quadratic, free: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which weights are not zero, bool [out, in], and values near the minimum, [out, in].

    All weights of the columns that are not `free` (bool [in]) are chosen, and `count` of the others.

    By ADMM (Boyd et al. 2011, 9.1): W minimises the objective + penalty / 2 |W - D + U|^2, D is W + U with only the
    largest entries, and U grows by W - D. The penalty grows, so that W and D meet (as in ALPS, Meng et al. 2024).
    """
    scale = problem.scale
    rows, columns = problem.curvature.diagonal().rsqrt(), problem.gram.diagonal().rsqrt()
    left, outer = _eigen(problem.curvature * rows.unsqueeze(1) * rows)
    right, inner = _eigen(problem.gram * columns.unsqueeze(1) * columns)
    linear = (problem.curvature @ problem.wanted) / scale
    values = left.unsqueeze(1) * right
    chosen = torch.zeros_like(linear, dtype=torch.bool)
    sparse, dual, penalty = linear.new_zeros(linear.shape), linear.new_zeros(linear.shape), 0.0
    for iteration in range(MOST):
        towards = linear + penalty * (sparse - dual)
        shifted = outer @ ((outer.T @ towards @ inner) / (values + penalty)) @ inner.T + dual
        before, chosen = chosen, largest(shifted, free.expand_as(shifted), count) | ~free
        sparse = shifted * chosen
        dual = shifted - sparse
        penalty = penalty * GROWTH if iteration else PENALTY
        if iteration >= FEWEST and int((before & ~chosen).sum()) <= STEADY * count:
            break
    return chosen, sparse / scale


def solve(problem: Quadratic, weight: Tensor, allowed: Tensor) -> Tensor:
    """The minimum over weights that are zero where not `allowed` (bool [out, in]), by conjugate gradients: [out, in].

    They start from `weight`, and each iteration lowers the objective.
    """
    scale = problem.scale.reciprocal() * allowed  # Jacobi preconditioning, written as a change of variables
    weight = weight * allowed
    residual = (problem.curvature @ (problem.wanted - weight @ problem.gram)) * scale
    change, direction = torch.zeros_like(residual), residual.clone()
    power = residual.square().sum()
    goal, tiny = CONVERGED**2 * power, torch.finfo(power.dtype).tiny
    for _ in range(ITERATIONS):
        if power <= goal:
            break
        along = (problem.curvature @ (direction * scale) @ problem.gram) * scale
        step = power / (direction * along).sum().clamp_min(tiny)
        change.add_(step * direction)
        residual.sub_(step * along)
        before, power = power, residual.square().sum()
        direction = residual + power / before.clamp_min(tiny) * direction
    return weight + change * scale


def _eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, above 0, and eigenvectors of a positive semidefinite matrix, computed in float64."""
    values, vectors = torch.linalg.eigh(matrix.double())
    return values.clamp_min(torch.finfo(matrix.dtype).eps).to(matrix.dtype), vectors.to(matrix.dtype)
