"""The lottery ticket: the surviving units trained again from the values they began with (Frankle and Carbin 2019)."""

from __future__ import annotations

from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune
from prunelab.recovery.finetune import Options as Options
from prunelab.recovery.recover import Task


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Masks from the trained network, values from before its training."""
    assert task.learning is not None
    return finetune.recover(pruned.with_network(task.learning.untrained()), task, options)
