"""Least-squares compensation: each layer's surviving weights refitted so that it computes what it computed before.

Layer by layer, with X what the pruned and already refitted network gives the layer, and Z what the dense network
computes there before its activation, the surviving weights of every neuron solve

    min |X w - z|^2 / n + r |w - w0|^2,    w0 the weights as pruned, r = ridge x the mean diagonal of X'X / n.

No labels and no gradients are used, and because w0 itself is a candidate, the layer's error is never larger than
without. (The idea is that of optimal brain surgery, Hassibi and Stork 1993, layer by layer; for neurons, the linear
reconstruction of He, Zhang and Sun 2017.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunelab.config import Count, Positive
from prunelab.network.layers import linear_layers
from prunelab.pruning.calibration import layer_outputs, passing
from prunelab.pruning.masks import LayerMask
from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task

CONVERGED = 1e-4
ITERATIONS = 200
WORTHWHILE = 0.8
"""The share of neurons still in the making below which leaving the others out pays for the copying."""


class Options(NoOptions):
    """`steps`: prune in so many steps, refitting after each, so that later choices see what a refit cannot repair."""

    ridge: Positive
    steps: Count


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Refit; with several steps, prune anew on the way to the same percentage (equal shares of what is left go)."""
    images, percentage = task.calibration.images, task.job.percentage
    if options.steps > 1 and 0 < percentage < 100:
        network = task.dense
        for step in range(1, options.steps):
            remaining = (1 - percentage / 100) ** (step / options.steps)
            before = task.prune(network, round(100 * (1 - remaining), 6))
            network = refit(before, task.dense, images, options.ridge).network
        pruned = task.prune(network, percentage)
    return refit(pruned, task.dense, images, options.ridge)


@torch.no_grad()
def refit(pruned: Pruned, dense: nn.Module, images: Tensor, ridge: float) -> Pruned:
    """The pruned network with every layer's surviving weights (and biases) refitted on `images` ([n, features])."""
    network = pruned.with_network(pruned.network).network
    targets = layer_outputs(dense, images)
    whole = True  # as long as nothing was removed before a layer, its inputs are the dense network's
    masks = {
        layer: (mask, target) for layer, mask, target in zip(linear_layers(network), pruned.masks, targets, strict=True)
    }
    for layer, given in passing(network, images):
        mask, target = masks[layer]
        whole = whole and bool(mask.weight[mask.bias].all())
        if not whole:
            refit_layer(layer, mask, given, target, ridge)
    return pruned.with_network(network)


def refit_layer(layer: nn.Linear, mask: LayerMask, given: Tensor, target: Tensor, ridge: float) -> None:
    """Solve one layer in place: `given` [n, in], `target` [n, out]."""
    weight, allowed = layer.weight, mask.weight
    if layer.bias is not None:
        given = torch.cat([given, given.new_ones(len(given), 1)], dim=1)
        weight = torch.cat([weight, layer.bias.unsqueeze(1)], dim=1)
        allowed = torch.cat([allowed, mask.bias.unsqueeze(1)], dim=1)
    rows, columns = allowed.any(1), allowed.any(0)
    if not rows.any():
        return
    given, start, allowed = given[:, columns], weight[rows][:, columns], allowed[rows][:, columns]
    gram = given.T @ given / len(given)
    damping = ridge * gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
    gradient = given.T @ (target[:, rows] - given @ start.T) / len(given)
    gram.diagonal().add_(damping)
    change = _dense(gram, gradient) if bool(allowed.all()) else _sparse(gram, gradient.T, allowed)
    solved = weight.new_zeros(int(rows.sum()), weight.shape[1])
    solved[:, columns] = start + change
    result = torch.zeros_like(weight)
    result[rows] = solved
    layer.weight.copy_(result[:, : layer.in_features])
    if layer.bias is not None:
        layer.bias.copy_(result[:, -1])


def _dense(gram: Tensor, gradient: Tensor) -> Tensor:
    """All weights are free: one factorisation serves every neuron. Returns [out, in]."""
    factor = torch.linalg.cholesky(gram.double())
    return torch.cholesky_solve(gradient.double(), factor).T.to(gram.dtype)


def _sparse(gram: Tensor, gradient: Tensor, allowed: Tensor) -> Tensor:
    """Every neuron has free weights of its own: conjugate gradients on all at once, each within its own support.

    `gradient` and `allowed` are [out, in]. Each iteration lowers every neuron's objective, so stopping early is safe.
    """
    scale = gram.diagonal().rsqrt()  # Jacobi preconditioning, as a change of variables
    gram = gram * scale.unsqueeze(0) * scale.unsqueeze(1)
    residual = gradient * scale * allowed
    result, change = torch.zeros_like(residual), torch.zeros_like(residual)
    rows = torch.arange(len(residual), device=residual.device)
    direction = residual.clone()
    power = residual.square().sum(1, keepdim=True)
    goal = CONVERGED**2 * power
    tiny = torch.finfo(power.dtype).tiny
    for _ in range(ITERATIONS):
        active = (power > goal).squeeze(1)
        if int(active.sum()) <= WORTHWHILE * len(rows):  # go on with the neurons that are not there yet
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
