"""Ridge regression of a layer's remaining weights, each output on the inputs that remain to it.

In rounds, the targets can be those of a ReLU: the objective sums (x w - z)^2 over z > 0 and max(x w, 0)^2 over the
others. It is convex, and never less than the squared error after the ReLU. Each round replaces the second term by
(x w - min(p, 0))^2, p being the output so far: an upper bound that touches it there, so that no round increases it.
"""

from __future__ import annotations

import torch
from torch import Tensor

CONVERGED = 1e-4
"""Residual norm, relative to the first one, at which conjugate gradients stop."""
ROUGHLY = 0.1
"""The same in the rounds of `rectify`, whose targets change anyway."""
ITERATIONS = 200
"""Largest number of iterations of conjugate gradients."""
WORTHWHILE = 0.8
"""Converged outputs are dropped from the iteration once no more than this share of them is still active."""


def refit_matrix(
    weight: Tensor,
    bias: Tensor | None,
    allowed: Tensor,
    outputs: Tensor,
    given: Tensor,
    target: Tensor,
    ridge: float,
    rounds: int = 0,
    added: Tensor | None = None,
) -> None:
    """Fit `given` [n, in] to `target` [n, out] by ridge regression; `weight` and `bias` are changed in place.

    `weight` [out, in] is fitted where `allowed` (bool, same shape), `bias` [out] where `outputs` (bool [out]). So many
    `rounds` follow in which a target below zero is met by any output below zero. `added` [n, out]: what is added to
    outputs and targets before they are compared with zero.
    """
    own, inputs = weight, weight.shape[1]
    if bias is not None:
        given = torch.cat([given, given.new_ones(len(given), 1)], dim=1)
        weight = torch.cat([weight, bias.unsqueeze(1)], dim=1)
        allowed = torch.cat([allowed, outputs.unsqueeze(1)], dim=1)
    rows, columns = allowed.any(1), allowed.any(0)
    if not rows.any():
        return
    given, fitted, allowed = given[:, columns], weight[rows][:, columns], allowed[rows][:, columns]
    target, zero = target[:, rows], target.new_zeros(()) if added is None else -added[:, rows]
    gram = given.T @ given / len(given)
    damping = ridge * gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
    gram.diagonal().add_(damping)
    # if all weights remain, one factorisation serves all outputs and rounds
    factor = torch.linalg.cholesky(gram.double()) if bool(allowed.all()) else None
    for number in range(1 + rounds):
        output = given @ fitted.T
        wanted = torch.where(target > zero, target, torch.minimum(output, zero)) if number else target
        gradient = given.T @ (wanted - output) / len(given)
        if factor is None:
            fitted = fitted + _sparse(gram, gradient.T, allowed, ROUGHLY if number else CONVERGED)
        else:
            fitted = fitted + torch.cholesky_solve(gradient.double(), factor).T.to(gram.dtype)
    solved = weight.new_zeros(int(rows.sum()), weight.shape[1])
    solved[:, columns] = fitted
    result = torch.zeros_like(weight)
    result[rows] = solved
    own.copy_(result[:, :inputs])
    if bias is not None:
        bias.copy_(result[:, -1])


def _sparse(gram: Tensor, gradient: Tensor, allowed: Tensor, converged: float) -> Tensor:
    """The change of the weights, [out, in], if each output has its own support `allowed` (bool [out, in]).

    Conjugate gradients run for all outputs at once, each within its support, until their residuals have shrunk to the
    share `converged`. `gradient` is [out, in]. Each iteration lowers the objective of every output, so stopping early
    is safe.
    """
    scale = gram.diagonal().rsqrt()  # Jacobi preconditioning, written as a change of variables
    gram = gram * scale.unsqueeze(0) * scale.unsqueeze(1)
    residual = gradient * scale * allowed
    result, change = torch.zeros_like(residual), torch.zeros_like(residual)
    rows = torch.arange(len(residual), device=residual.device)
    direction = residual.clone()
    power = residual.square().sum(1, keepdim=True)
    goal = converged**2 * power
    tiny = torch.finfo(power.dtype).tiny
    for _ in range(ITERATIONS):
        active = (power > goal).squeeze(1)
        if int(active.sum()) <= WORTHWHILE * len(rows):  # continue with the outputs that have not converged
            result[rows] = change
            rows, allowed, change, residual, direction = (
                part[active] for part in (rows, allowed, change, residual, direction)
            )
            power, goal = power[active], goal[active]
        if not len(rows):
            break
        along = (direction @ gram) * allowed
        step = power / (direction * along).sum(1, keepdim=True).clamp_min(tiny)
        change.add_(step * direction)
        residual.sub_(step * along)
        before, power = power, residual.square().sum(1, keepdim=True)
        direction = residual + power / before.clamp_min(tiny) * direction
    result[rows] = change
    return result * scale
