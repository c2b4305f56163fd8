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

A ReLU sets negative values to zero, so how negative they are does not matter. With `rectify`, layers whose outputs go
into a ReLU, through BatchNorm and additions too, are fitted together: let z be the input of the ReLU in the dense
network, and p the same sum in the pruned one. They minimise first the mean of (p - z)^2, which makes up for what a
shortcut of the pruned network lacks (He, Zhang and Sun 2017), and then, as in the nonlinear reconstruction of Zhang et
al. (2015),

    sum over z > 0 of (p - z)^2 + sum over z <= 0 of max(p, 0)^2

in rounds (`prunelab.recovery.ridge_regression`), each with the ridge around the weights so far. A BatchNorm's bias is
fitted with them; its statistics become those of the refitted layer's outputs, with a scale and a bias that undo this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import nn

from prunelab.config import Count, Positive
from prunelab.pruning.design import ROWS
from prunelab.pruning.prune import Pruned
from prunelab.pruning.schedule import Geometric
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task
from prunelab.recovery.refit import refit
from prunelab.recovery.targets import layer_targets


class Options(NoOptions):
    """`ridge`: relative to the mean diagonal of X'X / n. `steps`: prune in this many steps, with a refit after each.

    `rows`: the largest number of rows of each layer's inputs that are used. `rectify`: above 0, fit to the inputs of
    ReLUs, then after the last step to their outputs, in this many rounds.
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
    targets = layer_targets(task.dense, task.graph, task.calibration, options.rows, options.rectify > 0)
    return refit(pruned, targets, task.calibration, options.ridge, options.rows, options.rectify)


def in_steps(network: nn.Module, percentages: Sequence[float], task: Task, options: Options) -> Pruned:
    """Prune the network to each of the percentages, ascending, each time with a refit to its own outputs as it was.

    Only the refit at the task's own percentage has the rounds of `rectify`.
    """
    targets = layer_targets(network, task.graph, task.calibration, options.rows, options.rectify > 0)
    for percentage in percentages:
        rounds = options.rectify if percentage == task.percentage else 0
        pruned = refit(task.prune(network, percentage), targets, task.calibration, options.ridge, options.rows, rounds)
        network = pruned.network
    return pruned
