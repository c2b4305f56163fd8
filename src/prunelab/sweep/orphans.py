"""Runs left open by processes that are gone."""

from __future__ import annotations

from prunelab import names
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

GONE = "its process was gone when the sweep was next seen."


def close_abandoned(store: Store, sweep: Run) -> None:
    """End a sweep whose process is gone, and its open jobs, as KILLED; one that is running is left alone."""
    if sweep.is_abandoned:
        close_orphans(store, sweep.id)
        store.kill(sweep.id, GONE)


def close_orphans(store: Store, sweep_id: str) -> None:
    """End as KILLED the jobs and baselines left RUNNING by processes that are gone.

    The caller knows that the sweep's own process is gone, and with it its jobs, on whatever machine they were. Of
    baselines, which other sweeps may be training, only those whose process is known to be gone are ended.
    """
    jobs = store.children(sweep_id, "RUNNING")
    trainings = [run for run in store.find(names.Kind.BASELINE, "RUNNING") if run.is_abandoned]
    for run in [*jobs, *trainings]:
        store.kill(run.id, GONE)
