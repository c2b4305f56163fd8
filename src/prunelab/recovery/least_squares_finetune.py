"""Least squares, then fine-tuning of the refitted network; the last pruning step can come during the epochs.

Training between two pruning steps is iterative pruning (Han et al. 2015), here with a refit after each step. With
`ramp`, the weights of the last step are removed gradually, the smallest first, as in gradual magnitude pruning (Zhu and
Gupta 2017); how many stay in each layer has been decided beforehand by the job's method.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, model_validator

from prunelab.config import Share
from prunelab.errors import ConfigError
from prunelab.pruning.granularity import Granularity, Weight
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task
from prunelab.training.masked import Ramp


class Options(least_squares.Options, finetune.Options):
    """The options of both recoveries.

    `early_epochs`: so many of the epochs come before the last pruning step. `ramp`: above 0, the fraction of the epochs
    over which the last pruning step is spread, for single weights.
    """

    early_epochs: Annotated[int, Field(strict=True, ge=0, description="a whole number, at least 0")] = 0
    ramp: Share = 0.0

    @model_validator(mode="after")
    def _is_possible(self) -> Options:
        if self.early_epochs >= self.epochs:
            raise ValueError(
                f"recovery.early_epochs={self.early_epochs} is refused: some of the {self.epochs} epochs have to "
                "follow the last pruning step"
            )
        if self.early_epochs and self.steps == 1:
            raise ValueError(
                f"recovery.early_epochs={self.early_epochs} needs several pruning steps, for instance recovery.steps=4"
            )
        if self.ramp and (self.early_epochs or self.rectify or self.steps == 1):
            raise ValueError(
                f"recovery.ramp={self.ramp:g} needs several pruning steps, for instance recovery.steps=4, "
                "and cannot be combined with recovery.early_epochs or recovery.rectify"
            )
        return self

    def check(self, granularity: Granularity) -> None:
        """Refuse a ramp of anything but single weights."""
        if self.ramp and type(granularity) is not Weight:
            raise ConfigError(
                f"recovery.ramp={self.ramp:g} is refused: it removes single weights; it accepts a method of "
                "granularity weight, or 0"
            )


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Refit, then fine-tune. What follows early epochs is refitted to the outputs of the network that they trained."""
    *before, last = options.percentages(task.percentage)
    if options.ramp and before:
        return _gradually(least_squares.in_steps(task.dense, before, task, options), task, options)
    if not (options.early_epochs and before):
        return finetune.recover(least_squares.recover(pruned, task, options), task, options)
    early = least_squares.in_steps(task.dense, before, task, options)
    early = finetune.recover(early, task, options.model_copy(update={"epochs": options.early_epochs}))
    refitted = least_squares.in_steps(early.network, [last], task, options)
    late = options.model_copy(update={"epochs": options.epochs - options.early_epochs})
    return finetune.recover(refitted, task, late)


def _gradually(early: Pruned, task: Task, options: Options) -> Pruned:
    """Train the network that the steps before the last one left, and remove the rest on the way."""
    final = task.prune(early.network, task.percentage)
    left = {name: int(mask.sum()) for name, mask in final.mask.items()}
    # A criterion may keep weights that are already zero; without them, a layer's count may not be reachable.
    before = {name: mask | final.mask[name] for name, mask in early.mask.items()}
    ramp = Ramp(before, left, options.ramp)
    network = early.with_network(early.network).network
    finetune.train(network, task, options, [ramp])
    kept = [ramp.mask[layer.weight].cpu() for layer in final.graph.prunable]
    return replace(final, mask=ramp.mask, kept=kept).with_network(network)
