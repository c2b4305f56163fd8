"""Picking an interrupted sweep up again: which one, whether it is the same, and what of it is done."""

from __future__ import annotations

import json

from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.errors import ConfigError, StoreError
from prunelab.sweep.difference import differences
from prunelab.sweep.orphans import close_orphans
from prunelab.sweep.plan import Plan
from prunelab.tracking.environment import is_gone
from prunelab.tracking.find import find_sweep
from prunelab.tracking.store import Store


def resumed(store: Store, plan: Plan, wanted: str) -> MlflowRun:
    """The recorded sweep that `plan` is to finish; runs in it whose process is gone are closed.

    Raises:
        StoreError: if there is none, or its own process is still at work.
        ConfigError: if it is not the same sweep, showing the difference.
    """
    sweep = find_sweep(store, wanted, plan.name if wanted == "last" else None)
    if sweep.info.status == "RUNNING" and not is_gone(sweep.data.tags):
        raise StoreError(
            f"sweep {sweep.info.run_name} is still running (process {sweep.data.tags.get('process.pid')} on "
            f"{sweep.data.tags.get('process.host')}): there is nothing to resume"
        )
    recorded = json.loads(store.read(sweep.info.run_id, names.PLAN_FILE))
    difference = differences(recorded, plan.record)
    if difference:
        raise ConfigError(
            f"resume={wanted} is refused: sweep {sweep.info.run_name} was recorded with another configuration.\n"
            + "\n".join(f"  {line}" for line in difference)
            + "\nGive the same command as then, or start a new sweep without resume."
        )
    close_orphans(store, sweep.info.run_id)
    return sweep


def done(store: Store, sweep_id: str) -> set[str]:
    """The config hashes of the sweep's finished jobs."""
    return {run.data.tags[names.CONFIG_HASH] for run in store.children(sweep_id, "FINISHED")}
