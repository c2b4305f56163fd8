"""Least-squares compensation: refit the remaining weights of each layer to the outputs of the dense network.

Layers are refitted in execution order. Let X be the layer's input in the pruned network (with all earlier layers
refitted), and z one output of the layer in the dense network, before the activation. The remaining weights of that
output solve

    min |X w - z|^2 / n + r |w - w0|^2,    w0: the weights as pruned, r = ridge x the mean diagonal of X'X / n.

For a convolution the rows of X are its windows (`prunelab.pruning.design`). At most `rows` rows are used, from as many
images as fit into memory. No labels and no gradients are needed. Since w0 is itself a candidate, the layer's error
never increases. The idea is that of the optimal brain surgeon (Hassibi and Stork 1993) layer by layer; for neurons and
channels, the linear reconstruction of He, Zhang and Sun (2017). A layer that is called several times in a forward pass
is left as it is.

A ReLU after the layer makes zero of all z below zero, so how far below does not matter. With `rectify`, layers whose
outputs go into a ReLU then minimise, as in the nonlinear reconstruction of Zhang et al. (2015),

    sum over z > 0 of (x w - z)^2 + sum over z <= 0 of max(x w, 0)^2

in rounds (`prunelab.recovery.ridge_regression`), each with the ridge around the weights so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from prunelab.config import Count, Positive
from prunelab.graph.graph import Graph, Layer, by_number
from prunelab.graph.watch import Call, watching
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import ROWS, design, matrices, row_count, rows_of, sampled
from prunelab.pruning.prune import Pruned
from prunelab.pruning.schedule import Geometric
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task
from prunelab.recovery.ridge_regression import refit_matrix


class Options(NoOptions):
    """`ridge`: relative to the mean diagonal of X'X / n. `steps`: prune in so many steps, with a refit after each.

    `rows`: the largest number of rows of each layer's inputs that are used. `rectify`: rounds after the last step.
    """

    ridge: Positive
    steps: Count
    rows: Count = ROWS
    rectify: Annotated[int, Field(strict=True, ge=0, description="a whole number, at least 0")] = 0

    def percentages(self, target: float) -> list[float]:
        """The same share of what is left goes in each step."""
        return Geometric(self.steps).percentages(target)

    @property
    def comes_first(self) -> bool:
        """True with several steps: it then prunes again, starting from the dense network."""
        return self.steps > 1


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Refit once, or prune again in several steps to the same percentage, with a refit after each.

    Each step removes the same share of what is left. Later steps then rank the weights after compensation.
    """
    percentages = options.percentages(task.percentage)
    if len(percentages) > 1:
        return in_steps(task.dense, percentages, task, options)
    targets = layer_targets(task.dense, task.graph, task.calibration, options.rows)
    return refit(pruned, targets, task.calibration, options)


def in_steps(network: nn.Module, percentages: Sequence[float], task: Task, options: Options) -> Pruned:
    """Prune the network to each of the percentages, ascending, each time with a refit to its own outputs as it was.

    Only the refit at the task's own percentage has the rounds of `rectify`.
    """
    targets = layer_targets(network, task.graph, task.calibration, options.rows)
    linearly = options.model_copy(update={"rectify": 0})
    for percentage in percentages:
        chosen = options if percentage == task.percentage else linearly
        pruned = refit(task.prune(network, percentage), targets, task.calibration, chosen)
        network = pruned.network
    return pruned


@torch.no_grad()
def refit(pruned: Pruned, targets: Mapping[str, Tensor], calibration: Calibration, options: Options) -> Pruned:
    """A copy of the pruned network with all remaining weights and biases refitted on the calibration images.

    `targets`: the outputs of the dense network's layers, from `layer_targets` with the same number of rows.
    """
    images = calibration.first(pruned.graph).images
    network = pruned.with_network(pruned.network).network
    parameters = dict(network.named_parameters())
    stays = by_number(pruned.units_kept)
    whole = True  # nothing has been removed so far, so the layer's inputs are those of the dense network

    def visit(call: Call) -> Tensor:
        nonlocal whole
        layer = call.layer
        weight, outputs = parameters[layer.weight], stays[pruned.graph.outputs_of(layer)].to(images.device)
        mask = pruned.mask.get(layer.weight, torch.ones_like(weight, dtype=torch.bool))
        whole = whole and bool(mask.movedim(layer.outputs_dim, 0)[outputs].all())
        if not whole and layer.weight in targets:
            bias = None if layer.bias is None else parameters[layer.bias]
            parts = _Parts.of(layer, weight, bias, mask, outputs)
            _refit(call, parts, targets[layer.weight], calibration.seed, options)
        return call.compute()

    with watching(network, pruned.graph, visit):
        network(images)
    return pruned.with_network(network)


@torch.no_grad()
def layer_targets(dense: nn.Module, graph: Graph, calibration: Calibration, rows: int = ROWS) -> dict[str, Tensor]:
    """The outputs of the dense network's layers for at most so many rows: [rows, out] by the name of the weight.

    Layers that are called several times and transposed convolutions are left out.
    """
    targets: dict[str, Tensor] = {}

    def visit(call: Call) -> Tensor:
        output = call.compute()
        if call.layer.uses == 1 and call.layer.kind != "transposed":
            every = rows_of(output, call.layer)
            targets[call.layer.weight] = every[sampled(len(every), calibration.seed, rows).to(every.device)]  # a copy
        return output

    with watching(dense, graph, visit):
        dense(calibration.first(graph).images)
    return targets


@dataclass(frozen=True, slots=True)
class _Parts:
    """A layer split into its groups.

    `weights`: matrices [out, in x kernel] (views); `allowed`: which of their entries remain, bool. `biases`: [out].
    `outputs`: which outputs remain, bool [out].
    """

    weights: list[Tensor]
    allowed: list[Tensor]
    biases: list[Tensor | None]
    outputs: list[Tensor]

    @classmethod
    def of(cls, layer: Layer, weight: Tensor, bias: Tensor | None, mask: Tensor, outputs: Tensor) -> _Parts:
        groups = layer.groups
        return cls(
            matrices(weight, layer),
            matrices(mask, layer),
            [None] * groups if bias is None else list(bias.chunk(groups)),
            list(outputs.chunk(groups)),
        )


def _refit(call: Call, parts: _Parts, target: Tensor, seed: int, options: Options) -> None:
    """Refit a layer in place, group by group; `target` [rows, out]."""
    rows = sampled(row_count(call), seed, options.rows)
    rounds = options.rectify if call.layer.rectified else 0
    every = zip(
        *(design(call, rows), parts.weights, parts.biases, parts.allowed, parts.outputs),
        target.chunk(call.layer.groups, 1),
        strict=True,
    )
    for given, weight, bias, allowed, outputs, wanted in every:
        refit_matrix(weight, bias, allowed, outputs, given, wanted, options.ridge, rounds)
