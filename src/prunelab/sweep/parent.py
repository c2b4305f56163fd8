"""The run that owns a sweep: opened before its first job, and closed and reported whatever happens."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from omegaconf import DictConfig

from prunelab import interruption, logs, names
from prunelab.errors import PrunelabError
from prunelab.identity import baseline_key
from prunelab.names import Kind
from prunelab.sweep.launchers import in_this_process
from prunelab.sweep.orphans import close_orphans
from prunelab.sweep.plan import Plan
from prunelab.sweep.progress import Progress, Watcher
from prunelab.sweep.publish import publish
from prunelab.sweep.resume import resumed
from prunelab.sweep.worker import SweepContext
from prunelab.tracking.opening import open_store
from prunelab.tracking.outage import Unwritable, keep_reserve
from prunelab.tracking.recorder import Recorder
from prunelab.tracking.store import Store
from prunelab.training.baseline import is_stored

log = logging.getLogger(__name__)


class SweepFailed(PrunelabError):
    """Some jobs of a sweep did not finish."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """An open sweep. `remaining`: what of the plan is still to do; `verdicts`: what an adaptive sweep decided."""

    store: Store
    remaining: Plan
    context: SweepContext
    verdicts: list[str]


@contextmanager
def open_sweep(plan: Plan, launcher: DictConfig) -> Iterator[Sweep]:
    """Announce the plan, record it as a run, or reopen the one to resume, and close that run at the end.

    `launcher` is the configuration of Hydra's launcher.

    It ends FINISHED only if every job of the plan is; FAILED if one is not; KILLED if interrupted.

    Raises:
        PrunelabError: if the sweep to resume cannot be.
        SweepFailed: at the end, if a job did not finish.
        Interrupted: if it was, with how much is done.
    """
    first = plan.jobs[0].job
    store = open_store(first.tracking, first.experiment_name)
    run, remaining = _start(store, plan, first.resume)
    progress = Progress({}, None) if plan.adaptive else Progress(plan.labels, len(remaining.jobs))
    serial = in_this_process(launcher)
    context = SweepContext(
        run.id,
        plan.threads,
        alone=serial,
        in_names=plan.in_names,
        log_level=logs.log.level,
        progress=progress if serial else None,
    )
    watcher = None if serial or not remaining.jobs else Watcher(store, run.id, progress)
    if watcher is not None:
        watcher.start()
    verdicts: list[str] = []
    status, writable = "FAILED", True
    try:
        yield Sweep(store, remaining, context, verdicts)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
    except (Exception, SystemExit) as error:
        writable = not isinstance(error, Unwritable)
        if interruption.asked() or isinstance(error, SystemExit):
            status = "KILLED"
        if not interruption.asked():  # else it is what a library made of the interruption
            raise
    finally:
        with _undisturbed():
            if status == "KILLED":
                logs.status("interrupted: closing the sweep")
            if watcher is not None:
                watcher.stop()
            missing = _close(store, plan, run, status, verdicts, writable)
    if status == "KILLED":
        far = "" if plan.adaptive else f"{len(plan.jobs) - missing} of {len(plan.jobs)} jobs done; "
        raise interruption.Interrupted(f"{far}continue with the same command and resume=last")
    if missing:
        of = "" if plan.adaptive else f" of {len(plan.jobs)}"
        raise SweepFailed(f"{missing}{of} jobs did not finish; their runs in the store say why")


def _start(store: Store, plan: Plan, resume: str | None) -> tuple[Recorder, Plan]:
    """The run of the sweep, new or resumed, and what is still to do in it; both are announced."""
    if resume is None:
        _announce(store, plan, plan.name)
        started = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        run = store.start(Kind.SWEEP, f"{plan.name} {started}", tags={names.SWEEP_NAME: plan.name})
        try:
            run.files({names.PLAN_FILE: json.dumps(plan.record, indent=1)})
        except Exception:
            with suppress(Exception):
                store.end(run, "FAILED")
            raise
        return run, plan
    sweep = resumed(store, plan, resume)
    ended = {job.tags.get(names.CONFIG_HASH, "") for job in store.children(sweep.id, "FINISHED")}
    remaining = plan.without(ended)
    finished = f"{len(plan.jobs) - len(remaining.jobs)} of {len(plan.jobs)}" if not plan.adaptive else str(len(ended))
    _announce(store, remaining, f"resuming {sweep.name}: {finished} jobs are done; to do")
    return store.reopen(sweep.id), remaining


def _announce(store: Store, plan: Plan, what: str) -> None:
    """Log how much there is to do, before any of it is done."""
    baselines = {baseline_key(planned.job, plan.threads) for planned in plan.jobs}
    there = sum(is_stored(key, store) for key in baselines)
    jobs = "as many jobs as it takes" if plan.adaptive else f"{len(plan.jobs)} jobs"
    log.info(f"{what}: {jobs}; baselines: {len(baselines) - there} to train, {there} there already")


def _close(store: Store, plan: Plan, run: Recorder, status: str, verdicts: list[str], writable: bool) -> int:
    """Publish what finished and end the run; returns how many jobs did not finish.

    If that fails, at least the run is not left RUNNING, as far as the store can be written. Nothing is published in a
    store that is not `writable`: the files would take what room is left, and ending the run needs it.
    """
    try:
        close_orphans(store, run.id)
        sweep = store.sweep(run.id)
        latest = {job.tags[names.CONFIG_HASH]: job.status for job in sweep.jobs}
        finished = len(sweep.finished)
        failed = sum(state == "FAILED" for state in latest.values())
        missing = (len(latest) if plan.adaptive else len(plan.jobs)) - finished
        run.metrics({names.JOBS_FINISHED: finished, names.JOBS_FAILED: failed, names.JOBS_NOT_RUN: missing - failed})
        if missing and status == "FINISHED":
            status = "FAILED"
        if finished and writable:
            logs.status("writing the report")
            keep_reserve(store.tracking)  # a job may have released it
            publish(store, run, sweep, verdicts)
        store.end(run, status)
    except Exception:
        with suppress(Exception):
            store.end(run, "KILLED" if status == "KILLED" else "FAILED")
        raise
    return missing


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore a second Ctrl-C while the sweep is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
