"""Least squares, then fine-tuning of the refitted network."""

from __future__ import annotations

from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task


class Options(least_squares.Options, finetune.Options):
    """The options of both recoveries."""


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Refit, then fine-tune."""
    return finetune.recover(least_squares.recover(pruned, task, options), task, options)
