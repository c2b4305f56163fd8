"""Resuming an interrupted sweep: which one, and whether it is the same."""

from __future__ import annotations

import json
from typing import Any

from prunelab import names
from prunelab.errors import ConfigError, StoreError
from prunelab.sweep.difference import differences
from prunelab.sweep.orphans import close_orphans
from prunelab.sweep.plan import Plan
from prunelab.tracking.addresses import refuse_outside
from prunelab.tracking.find import find_sweep
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store


def resumed(store: Store, plan: Plan, wanted: str) -> Run:
    """The recorded sweep that `plan` is to finish; runs in it whose process is gone are closed.

    Raises:
        StoreError: if there is none, or its own process is still at work.
        ConfigError: if it is not the same sweep, showing the difference.
    """
    sweep = find_sweep(store, wanted, plan.name if wanted == "last" else None)
    if sweep.is_at_work:
        raise StoreError(f"sweep {sweep.name} is still running ({sweep.process}): there is nothing to resume")
    recorded = _plan(store, sweep)
    difference = differences(recorded, plan.record)
    if difference:
        raise ConfigError(
            f"resume={wanted} is refused: sweep {sweep.name} was recorded with another configuration.\n"
            + "\n".join(f"  {line}" for line in difference)
            + "\nGive the same command as then, or start a new sweep without resume."
        )
    refuse_outside(sweep.address, store.tracking.artifacts)
    close_orphans(store, sweep.id)
    return sweep


def _plan(store: Store, sweep: Run) -> dict[str, Any]:
    """The recorded plan.

    Raises:
        StoreError: if it is not there, or not what a sweep records.
    """
    content = store.read(sweep.id, names.PLAN_FILE)
    try:
        recorded: dict[str, Any] = json.loads(content)
        for job in recorded["jobs"]:
            if not isinstance(job["config_hash"], str) or not isinstance(job["determinants"], dict):
                raise TypeError("a job without config_hash or determinants")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"sweep {sweep.name} has a damaged {names.PLAN_FILE}: {type(error).__name__}: {error}"
        ) from error
    return recorded
