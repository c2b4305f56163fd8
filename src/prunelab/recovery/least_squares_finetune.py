"""Least squares, then fine-tuning of the refitted network; some of the epochs can come before the last pruning step.

Training between two pruning steps is iterative pruning (Han et al. 2015), here with a refit after each step.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task


class Options(least_squares.Options, finetune.Options):
    """The options of both recoveries. `early_epochs`: so many of the epochs come before the last pruning step."""

    early_epochs: Annotated[int, Field(strict=True, ge=0, description="a whole number, at least 0")] = 0

    @model_validator(mode="after")
    def _is_possible(self) -> Options:
        if self.early_epochs >= self.epochs:
            raise ValueError(
                f"recovery.early_epochs={self.early_epochs} is refused: some of the {self.epochs} epochs have to "
                "follow the last pruning step"
            )
        if self.early_epochs and self.steps == 1:
            raise ValueError(
                f"recovery.early_epochs={self.early_epochs} takes several pruning steps: recovery.steps=4, for instance"
            )
        return self


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Refit, then fine-tune. What follows early epochs is refitted to the outputs of the network that they trained."""
    *before, last = options.percentages(task.percentage)
    if not (options.early_epochs and before):
        return finetune.recover(least_squares.recover(pruned, task, options), task, options)
    early = least_squares.in_steps(task.dense, before, task, options)
    early = finetune.recover(early, task, options.model_copy(update={"epochs": options.early_epochs}))
    refitted = least_squares.in_steps(early.network, [last], task, options)
    late = options.model_copy(update={"epochs": options.epochs - options.early_epochs})
    return finetune.recover(refitted, task, late)
