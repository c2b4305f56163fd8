"""Runs left open by processes that are gone."""

from __future__ import annotations

from prunelab import names
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

GONE = "its process was gone when the sweep was next seen."


def close_abandoned(store: Store, sweep: Run) -> None:
    """End as KILLED a sweep, and what is open in it, whose process is gone; one still at work is left alone."""
    if sweep.is_abandoned:
        close_orphans(store, sweep.id)
        store.kill(sweep.id, GONE)


def close_orphans(store: Store, sweep_id: str) -> int:
    """End as KILLED the jobs and baselines left RUNNING by processes that are gone; returns how many there were.

    Whoever calls this knows that the sweep's own process is gone, so its jobs are, on whatever machine they were. Of
    baselines, which other sweeps may be training, only those whose process is known to be gone are ended.
    """
    jobs = store.children(sweep_id, "RUNNING")
    trainings = [run for run in store.find(names.Kind.BASELINE, "RUNNING") if run.is_abandoned]
    for run in [*jobs, *trainings]:
        store.kill(run.id, GONE)
    return len(jobs) + len(trainings)
