"""Muon (Jordan et al. 2024): momentum steps of weight matrices, made orthogonal; Adam for all other parameters.

`torch.optim.Muon` takes matrices only, and computes in bfloat16, whose sums differ between processors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
BETAS, EPSILON = (0.9, 0.999), 1e-8
ITERATIONS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz iteration, as published."""
SCALE = 0.2
"""The root mean square of an update, about that of Adam: both kinds share a learning rate (Liu et al. 2025)."""


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest semi-orthogonal matrix, of the same shape: all singular values are brought to about 1.

    Newton-Schulz: X <- a X + b (X X') X + c (X X')^2 X, from X of Frobenius norm 1. Zeros stay zeros.
    """
    a, b, c = COEFFICIENTS
    found: Tensor = matrix / (matrix.norm() + 1e-7)
    tall = found.shape[0] > found.shape[1]
    found = found.T if tall else found
    for _ in range(ITERATIONS):
        gram = found @ found.T
        found = a * found + (b * gram + c * gram @ gram) @ found
    return found.T if tall else found


class Muon(torch.optim.Optimizer):
    """One learning rate for all parameters; weight decay is decoupled, as in AdamW.

    Parameters of two or more dimensions are matrices [outputs, everything else]. They move by 0.2 sqrt(max(shape))
    times the orthogonal matrix of their Nesterov momentum. Biases, and scales of normalisations, move by Adam.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step, after `closure`, which computes loss and gradients, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = (_matrix_step if parameter.dim() > 1 else _adam_step)(parameter.grad, self.state[parameter])
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"])
        return loss


def _matrix_step(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    momentum: Tensor = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
    matrix = gradient.lerp(momentum, MOMENTUM).flatten(1)
    return (SCALE * sqrt(max(matrix.shape)) * orthogonal(matrix)).view_as(gradient)


def _adam_step(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    if not state:
        state.update(step=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
    state["step"] += 1
    step: int = state["step"]
    mean: Tensor = state["mean"].lerp_(gradient, 1 - BETAS[0])
    square: Tensor = state["square"].lerp_(gradient.square(), 1 - BETAS[1])
    corrected = mean / (1 - BETAS[0] ** step)
    return corrected / ((square / (1 - BETAS[1] ** step)).sqrt() + EPSILON)
