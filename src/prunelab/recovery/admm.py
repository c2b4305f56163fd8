"""Re-select which weights of each layer remain, and refit them, by ADMM on the curvature of the loss.

Each layer keeps as many weights as pruning left it. Layers are treated in execution order. Let X be the layer's inputs
in the pruned network (with all earlier layers refitted), and Z its outputs in the dense network, before the activation.
Minimise

    min tr S (X W' - Z)' (X W' - Z) / n + r tr S (W - W0) (W - W0)',    W0: the weights before,

where r = ridge x the mean diagonal of X'X / n. S is what an error in the outputs costs: the mean of g g' over the
images, g being the gradient of the dense network's log-likelihood of a label drawn from its own prediction. X'X and S
are the factors of K-FAC's approximation to the Fisher matrix (Martens and Grosse 2015; of a convolution, Grosse and
Martens 2016), as in LLM Surgeon (van der Ouderaa et al. 2024). So the error of one output can offset that of
another, which least squares, output by output, cannot exploit.

ADMM (Boyd et al. 2011; for pruning, ALPS, Meng et al. 2024) alternates between the minimum without a limit on the
number of weights, which the eigenvectors of X'X and S give, and the largest entries; weights are in units in which
the diagonals of both are 1. Conjugate gradients then solve for the weights that were chosen, biases included. No
labels are needed. Where units other than single weights were removed, they stay removed, and only the refit is done.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunelab.config import Count, Positive
from prunelab.graph.graph import Layer
from prunelab.graph.surgery import tensors
from prunelab.graph.watch import Call, watching
from prunelab.pruning.design import ROWS, design, matrices, row_count, sampled
from prunelab.pruning.granularity import Weight
from prunelab.pruning.prune import Pruned
from prunelab.recovery.curvature import output_curvatures
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task
from prunelab.recovery.refit import refit
from prunelab.recovery.ridge_regression import refit_matrix
from prunelab.recovery.support import quadratic, solve, support
from prunelab.recovery.targets import layer_targets


class Options(NoOptions):
    """`ridge`: relative to the mean diagonal of X'X / n. `damping`: the share of the identity in S.

    `rows`: the largest number of rows of each layer's inputs that are used, and of images for S.
    """

    ridge: Positive
    damping: Annotated[float, Field(strict=True, gt=0, le=1, description="a number above 0, at most 1")]
    rows: Count = ROWS


@torch.no_grad()
def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """A copy of the pruned network with other weights chosen, as many in each layer, and all of them refitted."""
    calibration = task.calibration
    targets = layer_targets(task.dense, task.graph, calibration, options.rows)
    if type(pruned.granularity) is not Weight:
        return refit(pruned, targets, calibration, options.ridge, options.rows)
    some = replace(calibration, images=calibration.images[: options.rows])
    curvatures = output_curvatures(task.dense, task.graph, some)
    outputs = {each.layers[0]: target for each, target in targets.items()}
    network = copy.deepcopy(pruned.network)
    named = dict(tensors(network))
    mask = {name: stays.clone() for name, stays in pruned.mask.items()}
    whole = True  # nothing has been removed so far, so the layer's inputs are those of the dense network

    def visit(call: Call) -> Tensor:
        nonlocal whole
        layer = call.layer
        allowed = mask.get(layer.weight, torch.ones_like(named[layer.weight], dtype=torch.bool))
        whole = whole and bool(allowed.all())
        if layer.weight in outputs and not whole:
            damped = options.damping * torch.eye(len(curvatures[layer.weight]), device=allowed.device)
            damped += (1 - options.damping) * curvatures[layer.weight]
            given = design(call, sampled(row_count(call), calibration.seed, options.rows))
            _fit(layer, named, allowed, given, outputs[layer.weight], damped, options.ridge)
        return call.compute()

    with watching(network, pruned.graph, visit):
        network(calibration.first(pruned.graph).images)
    kept = [mask[layer.weight].cpu() for layer in pruned.graph.prunable]
    return replace(pruned, network=network, kept=kept, mask=mask)


def _fit(
    layer: Layer,
    named: dict[str, Tensor],
    allowed: Tensor,
    given: list[Tensor],
    target: Tensor,
    curvature: Tensor,
    ridge: float,
) -> None:
    """Change the weight of a layer, its bias and `allowed` (bool, in the weight's shape) in place, group by group."""
    biases = [None] * layer.groups if layer.bias is None else named[layer.bias].chunk(layer.groups)
    size = len(curvature) // layer.groups
    every = zip(
        matrices(named[layer.weight], layer),
        biases,
        matrices(allowed, layer),
        given,
        target.chunk(layer.groups, 1),
        (curvature[at : at + size, at : at + size] for at in range(0, len(curvature), size)),
        strict=True,
    )
    for weight, bias, stays, inputs, outputs, cost in every:
        count = int(stays.sum())
        if count in (0, stays.numel()):  # S does not matter
            refit_matrix(weight, bias, stays, stays.new_ones(len(stays)), inputs, outputs, ridge)
            continue
        before, free = weight, torch.ones_like(stays[0])
        if bias is not None:
            before = torch.cat([weight, bias.unsqueeze(1)], 1)
            inputs, free = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1), torch.cat([free, ~free[:1]])
        problem = quadratic(before, inputs, outputs, cost, ridge)
        chosen, near = support(problem, free, count)
        solved = solve(problem, near, chosen)
        weight.copy_(solved[:, : weight.shape[1]])
        stays.copy_(chosen[:, : weight.shape[1]])
        if bias is not None:
            bias.copy_(solved[:, -1])
