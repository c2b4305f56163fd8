"""Picking an interrupted sweep up again: which one, whether it is the same, and what of it is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.errors import ConfigError, StoreError
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
    return {run.data.tags[names.CONFIG_HASH] for run in store.children(sweep_id) if run.info.status == "FINISHED"}


def close_abandoned(store: Store, sweep: MlflowRun) -> None:
    """End as KILLED a sweep, and what is open in it, whose process is gone; one still at work is left alone."""
    if sweep.info.status == "RUNNING" and is_gone(sweep.data.tags):
        close_orphans(store, sweep.info.run_id)
        store.client.set_terminated(sweep.info.run_id, "KILLED")


def close_orphans(store: Store, sweep_id: str) -> int:
    """End as KILLED the jobs and baselines left RUNNING by processes that are gone; returns how many there were.

    Whoever calls this knows that the sweep's own process is gone, so its jobs are, on whatever machine they were. Of
    baselines, which other sweeps may be training, only those whose process is known to be gone are ended.
    """
    jobs = [run for run in store.children(sweep_id) if run.info.status == "RUNNING"]
    trainings = [run for run in store.find(names.Kind.BASELINE, "RUNNING") if is_gone(run.data.tags)]
    for run in [*jobs, *trainings]:
        store.client.set_tag(
            run.info.run_id, names.NOTE, "**Killed**: its process was gone when the sweep was next seen."
        )
        store.client.set_terminated(run.info.run_id, "KILLED")
    return len(jobs) + len(trainings)


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, what two plans differ in; nothing if they are the same jobs."""
    before = {job["config_hash"]: job for job in recorded["jobs"]}
    after = {job["config_hash"]: job for job in now["jobs"]}
    if before.keys() == after.keys():
        return []
    old, new = _values(recorded), _values(now)
    lines = [
        f"{key}: recorded {_list(old.get(key, []))}, now {_list(new.get(key, []))}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    return lines or [f"recorded {len(before)} jobs, now {len(after)}, in other combinations"]


def _values(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each key's values over all jobs of a plan."""
    found: dict[str, list[str]] = {}
    for job in plan["jobs"]:
        for key, value in _flat(job["determinants"]).items():
            values = found.setdefault(key, [])
            if value not in values:
                values.append(value)
    return {key: sorted(values) for key, values in found.items()}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _list(values: list[str]) -> str:
    return ", ".join(values) if values else "absent"
