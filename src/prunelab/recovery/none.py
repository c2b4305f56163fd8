"""No recovery."""

from __future__ import annotations

from prunelab.config import Job
from prunelab.pruning.prune import Pruned


def recover(pruned: Pruned, job: Job) -> Pruned:
    """The pruned network as it is."""
    return pruned
