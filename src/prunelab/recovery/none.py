"""No recovery: the pruned network as it is."""

from __future__ import annotations

from prunelab.pruning.prune import Pruned
from prunelab.recovery.recover import Options as Options
from prunelab.recovery.recover import Task


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Nothing is done."""
    return pruned
