"""Block reconstruction: train the remaining weights so that each layer reproduces its outputs in the dense network.

The layers that can be fitted, in execution order, are cut into blocks of `span`; a sum of outputs that goes into a
ReLU, as in a residual connection, counts as one layer (`prunelab.recovery.targets`). Gradients stop at block
boundaries (except along shortcuts across them), and the boundaries move by one layer in each iteration. Let p be the
output of a layer or a sum in the pruned network and z the same in the dense one, over a sample of images and positions.
Each iteration takes a step on

    sum over layers of w mean (p - z)^2 / mean z^2 + 3 KL(dense predictions, pruned predictions),

where w is 1 at the end of a block and 0.3 inside it. Before a ReLU only what it lets through counts: z is replaced by
max(z, 0) and, where z <= 0, p by max(p, 0). Statistics of BatchNorm do not move; its scale and bias do.

No labels are needed. It is the reconstruction of BRECQ (Li et al. 2021), made for quantization, with blocks that
overlap and are trained at the same time, each on the inputs that the pruned network gives it (as He, Zhang and Sun
2017 and `least_squares` do, layer by layer).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from prunelab.choices import Optimizer
from prunelab.config import Count, Positive
from prunelab.errors import TrainingError
from prunelab.graph.graph import Graph, Preactivation, by_number
from prunelab.graph.masks import apply
from prunelab.graph.surgery import restored, runnable, smaller
from prunelab.graph.trace import evaluating
from prunelab.pruning.calibration import divergence, logits_of
from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Options as NoOptions
from prunelab.recovery.recover import Task
from prunelab.recovery.targets import observed
from prunelab.training.optimizers import OPTIMIZERS

ROWS = 4096
"""Largest number of rows (one per image and position) of each layer's outputs that are compared in an iteration."""
INSIDE, PREDICTIONS = 0.3, 3.0
"""Weights in the loss: of a layer that is not the last of its block, and of the divergence of the predictions."""


class Options(NoOptions):
    """`iterations` of `optimizer` on batches of `batch_size` calibration images; `learning_rate` decays linearly to 0.

    `span`: the number of layers, or sums of their outputs, in a block.
    """

    iterations: Count
    batch_size: Count
    optimizer: Optimizer
    learning_rate: Positive
    span: Count


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Train the network without the removed units, which is faster than masking them; removed weights are masked.

    Raises:
        PrunelabError: if the network does not give logits [n, classes].
        TrainingError: if the loss does not stay finite.
    """
    if all(bool(kept.all()) for kept in pruned.kept):
        return pruned
    logits_of(task.dense, task.calibration.images[:1])
    kept = runnable(pruned.graph, pruned.units_kept)
    small = smaller(pruned.network, pruned.graph, kept).eval().requires_grad_()
    with evaluating(task.dense):
        _train(small, kept, pruned, task, options)
    return pruned.with_network(restored(small, pruned.network, pruned.graph, kept))


def _train(small: nn.Module, kept: Tensor, pruned: Pruned, task: Task, options: Options) -> None:
    """Train in place. `kept`: the units that `small` has, bool [units]."""
    seed, graph = task.calibration.seed, pruned.graph
    optimizer = OPTIMIZERS[options.optimizer](small.parameters(), lr=options.learning_rate, weight_decay=0.0)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1.0 / options.iterations, options.iterations)
    batches = _batches(task.calibration.images, options.batch_size, seed)
    blocks = _Blocks(task.dense, graph, kept, task.calibration.images[:1], options.span)
    for iteration in range(options.iterations):
        images, sample = next(batches), (seed + iteration, ROWS)
        with torch.no_grad():
            targets, wanted = observed(task.dense, graph, images, sample, together=True)
        cut, ends = blocks.at(iteration)
        values, logits = observed(small, graph, images, sample, together=True, cut=cut)
        loss = PREDICTIONS * divergence(logits, wanted)
        for each in blocks.fitted:
            if each in values and each in targets:  # without gradients, a layer may be inside another operator
                own = error(values[each], targets[each][:, blocks.stays[each]], each in graph.preactivations)
                loss = loss + (1.0 if each in ends else INSIDE) * own
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of the reconstruction became {loss.item()} in iteration {iteration + 1}: lower "
                f"recovery.learning_rate (now {options.learning_rate:g})"
            )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        decay.step()
        if pruned.granularity.sparse:
            apply(small, pruned.mask)


class _Blocks:
    """`fitted`: what is fitted, in execution order. `stays`: which channels of it remain, bool [channels]."""

    def __init__(self, dense: nn.Module, graph: Graph, kept: Tensor, images: Tensor, span: int) -> None:
        layers = {layer.weight: layer for layer in graph.layers}
        every, _ = observed(dense, graph, images, (0, 1), together=True)
        self.fitted = [each for each in every if not layers[each.layers[0]].output]
        units = by_number(kept).to(images.device)
        self.stays = {each: units[graph.outputs_of(layers[each.layers[0]])] for each in self.fitted}
        self.last = {layer.weight for layer in graph.layers if layer.output}  # fitted to the predictions
        self.span = span

    def at(self, iteration: int) -> tuple[set[str], set[Preactivation]]:
        """Names of the weights of layers at the beginning of a block, and what is at the end of one."""
        count = len(self.fitted)
        begins = [place for place in range(count + 1) if (place - iteration) % self.span == 0]
        cut = {name for place in begins for name in self._names(place)}
        return cut, {self.fitted[place - 1] for place in begins if place}

    def _names(self, place: int) -> set[str]:
        return set(self.fitted[place].layers) if place < len(self.fitted) else self.last


def error(values: Tensor, targets: Tensor, rectified: bool) -> Tensor:
    """The mean square of the error, relative to that of the targets, both [rows, channels].

    `rectified`: a ReLU follows, so that negative numbers count as 0; but where a target is positive, negative values
    count as they are, so that there is a gradient.
    """
    difference = values - targets
    if rectified:
        difference = torch.where(targets > 0, difference, values.clamp_min(0))
        targets = targets.clamp_min(0)
    return difference.square().sum() / targets.square().sum().clamp_min(torch.finfo(targets.dtype).tiny)


def _batches(images: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Batches without end, in a new random order whenever fewer than `size` images are left of the last one."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for chosen in torch.split(order, size):
            if len(chosen) == size or len(images) < size:
                yield images[chosen]
