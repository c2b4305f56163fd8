"""Least squares, then fine-tuning of the refitted network."""

from __future__ import annotations

from prunelab.config import Count, Positive
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task


class Options(finetune.Options):
    """The options of both recoveries."""

    ridge: Positive
    steps: Count

    @property
    def comes_first(self) -> bool:
        """As for least squares."""
        return self.steps > 1


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Refit, then fine-tune."""
    refitted = least_squares.recover(pruned, task, least_squares.Options(ridge=options.ridge, steps=options.steps))
    return finetune.recover(refitted, task, options)
