"""The run that owns a sweep: opened before its first job, closed whatever happens, with what finished published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console

from prunelab import names
from prunelab.errors import PrunelabError
from prunelab.job import dataset_of
from prunelab.names import Kind
from prunelab.sweep.plan import Plan
from prunelab.sweep.progress import Progress
from prunelab.sweep.publish import publish
from prunelab.sweep.worker import SweepContext
from prunelab.tracking.store import Recorder, Store, open_store
from prunelab.training.baseline import baseline_key, is_stored


class SweepFailed(PrunelabError):
    """Some jobs of a sweep did not finish."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """An open sweep."""

    store: Store
    run: Recorder
    context: SweepContext


@contextmanager
def open_sweep(plan: Plan) -> Iterator[Sweep]:
    """Announce the plan, record it as a run, and close that run at the end: FINISHED only if every job is.

    Raises:
        SweepFailed: at the end, if a job did not finish.
    """
    first = plan.jobs[0].job
    store = open_store(first.tracking, first.experiment_name)
    _announce(plan, store)
    started = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    run = store.start(Kind.SWEEP, f"{plan.name} {started}")
    run.files({names.PLAN_FILE: json.dumps(plan.record, indent=1)})
    try:
        yield Sweep(store, run, SweepContext(run.id, None, Progress(len(plan.jobs))))
    except BaseException:
        _close(plan, store, run, interrupted=True)
        raise
    failed = _close(plan, store, run, interrupted=False)
    if failed:
        raise SweepFailed(f"{failed} of {len(plan.jobs)} jobs did not finish; see their runs for the reasons")


def _announce(plan: Plan, store: Store) -> None:
    """Say how much there is to do before it begins."""
    baselines = {baseline_key(p.job, dataset_of(p.job.data)): p.job for p in plan.jobs}
    there = sum(is_stored(job, dataset_of(job.data), store) for job in baselines.values())
    Console().print(
        f"{plan.name}: {len(plan.jobs)} jobs; baselines: {len(baselines) - there} to train, {there} there already",
        highlight=False,
    )


def _close(plan: Plan, store: Store, run: Recorder, interrupted: bool) -> int:
    """Publish what finished and end the run; returns how many jobs did not finish."""
    children = store.children(run.id)
    finished = [child for child in children if child.info.status == "FINISHED"]
    failed = len(plan.jobs) - len(finished)
    run.metrics({"jobs/finished": len(finished), "jobs/failed": failed})
    if finished:
        publish(store, run)
    store.end(run, "KILLED" if interrupted else "FAILED" if failed else "FINISHED")
    return failed
