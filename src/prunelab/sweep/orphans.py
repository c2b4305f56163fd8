"""Runs left open by processes that are gone."""

from __future__ import annotations

from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.tracking.environment import is_gone
from prunelab.tracking.store import Store


def close_abandoned(store: Store, sweep: MlflowRun) -> None:
    """End a sweep whose process is gone, and its open jobs, as KILLED; one that is running is left alone."""
    if sweep.info.status == "RUNNING" and is_gone(sweep.data.tags):
        close_orphans(store, sweep.info.run_id)
        store.client.set_terminated(sweep.info.run_id, "KILLED")


def close_orphans(store: Store, sweep_id: str) -> None:
    """End as KILLED the jobs and baselines left RUNNING by processes that are gone.

    The caller knows that the sweep's own process is gone, and with it its jobs, on whatever machine they were. Of
    baselines, which other sweeps may be training, only those whose process is known to be gone are ended.
    """
    jobs = store.children(sweep_id, "RUNNING")
    trainings = [run for run in store.find(names.Kind.BASELINE, "RUNNING") if is_gone(run.data.tags)]
    for run in [*jobs, *trainings]:
        store.client.set_tag(
            run.info.run_id, names.NOTE, "**Killed**: its process was gone when the sweep was next seen."
        )
        store.client.set_terminated(run.info.run_id, "KILLED")
