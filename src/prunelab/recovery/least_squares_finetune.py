"""Least squares first, then fine-tuning from there."""

from __future__ import annotations

from prunelab.config import Count, Positive
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task


class Options(finetune.Options):
    """Both recoveries' options."""

    ridge: Positive
    steps: Count

    @property
    def comes_first(self) -> bool:
        """With several steps least squares prunes anew."""
        return self.steps > 1


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """One after the other."""
    refitted = least_squares.recover(pruned, task, least_squares.Options(ridge=options.ridge, steps=options.steps))
    return finetune.recover(refitted, task, options)
