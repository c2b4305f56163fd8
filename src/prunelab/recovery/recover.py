"""A recovery applied to a pruned network."""

from __future__ import annotations

from collections.abc import Callable

from prunelab.config import Job, Recovery
from prunelab.plugins import imported
from prunelab.pruning.prune import Pruned

Recover = Callable[[Pruned, Job], Pruned]


def recovery_of(recovery: Recovery) -> Recover:
    """The function behind `recovery.name`: `prunelab.recovery.<name>.recover`.

    Raises:
        ConfigError: if there is none.
    """
    function: Recover = imported(f"prunelab.recovery.{recovery.name}.recover", "recovery.name")
    return function


def recover(pruned: Pruned, job: Job) -> Pruned:
    """What the configured recovery makes of a pruned network."""
    return recovery_of(job.recovery)(pruned, job)
