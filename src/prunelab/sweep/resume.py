"""Resuming an interrupted sweep: which one, whether it is the same, and which of its jobs are done."""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.errors import ConfigError, StoreError
from prunelab.sweep.difference import differences
from prunelab.sweep.orphans import close_orphans
from prunelab.sweep.plan import Plan
from prunelab.tracking.environment import is_gone
from prunelab.tracking.find import find_sweep
from prunelab.tracking.moved import refuse_outside
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
    recorded = _plan(store, sweep)
    difference = differences(recorded, plan.record)
    if difference:
        raise ConfigError(
            f"resume={wanted} is refused: sweep {sweep.info.run_name} was recorded with another configuration.\n"
            + "\n".join(f"  {line}" for line in difference)
            + "\nGive the same command as then, or start a new sweep without resume."
        )
    refuse_outside(sweep.info.artifact_uri, store.tracking.artifacts)
    close_orphans(store, sweep.info.run_id)
    return sweep


def _plan(store: Store, sweep: MlflowRun) -> dict[str, Any]:
    """The recorded plan.

    Raises:
        StoreError: if it is not there, or not what a sweep records.
    """
    content = store.read(sweep.info.run_id, names.PLAN_FILE)
    try:
        recorded: dict[str, Any] = json.loads(content)
        for job in recorded["jobs"]:
            if not isinstance(job["config_hash"], str) or not isinstance(job["determinants"], dict):
                raise TypeError("a job without config_hash or determinants")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"sweep {sweep.info.run_name} has a damaged {names.PLAN_FILE}: {type(error).__name__}: {error}"
        ) from error
    return recorded


def done(store: Store, sweep_id: str) -> set[str]:
    """The config hashes of the sweep's finished jobs."""
    return {run.data.tags.get(names.CONFIG_HASH, "") for run in store.children(sweep_id, "FINISHED")}
