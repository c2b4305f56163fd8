"""The run that owns a sweep: opened before its first job, closed whatever happens, with what finished published."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from omegaconf import DictConfig
from rich.console import Console

from prunelab import interruption, names
from prunelab.errors import PrunelabError
from prunelab.identity import baseline_key
from prunelab.loading import say_on_terminal
from prunelab.names import Kind
from prunelab.sweep.launchers import in_this_process, threads_per_job
from prunelab.sweep.orphans import close_orphans
from prunelab.sweep.plan import Plan
from prunelab.sweep.progress import Progress, Watcher
from prunelab.sweep.publish import publish
from prunelab.sweep.resume import done, resumed
from prunelab.sweep.worker import SweepContext
from prunelab.tracking.opening import open_store
from prunelab.tracking.recorder import Recorder
from prunelab.tracking.store import Store
from prunelab.training.baseline import is_stored


class SweepFailed(PrunelabError):
    """Some jobs of a sweep did not finish."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """An open sweep: `remaining` is what of the plan is still to do; `verdicts` gathers what it decides."""

    store: Store
    remaining: Plan
    context: SweepContext
    verdicts: list[str]


@contextmanager
def open_sweep(plan: Plan, launcher: DictConfig) -> Iterator[Sweep]:
    """Announce the plan, record it as a run, or reopen the one to resume, and close that run at the end.

    It ends FINISHED only if every job of the plan is; FAILED if one is not; KILLED if interrupted.

    Raises:
        PrunelabError: if the sweep to resume cannot be.
        SweepFailed: at the end, if a job did not finish.
        Interrupted: if it was, saying how much is done.
    """
    first = plan.jobs[0].job
    store = open_store(first.tracking, first.experiment_name)
    threads = threads_per_job(launcher)
    run, remaining = _start(store, plan, first.resume, threads)
    progress = Progress({}, None) if plan.guided else Progress(plan.labels, len(remaining.jobs))
    serial = in_this_process(launcher)
    watcher = None if serial or not remaining.jobs else Watcher(store, run.id, progress)
    if watcher is not None:
        watcher.start()
    verdicts: list[str] = []
    status = "FAILED"
    try:
        context = SweepContext(run.id, threads, progress if serial else None, plan.told_by)
        yield Sweep(store, remaining, context, verdicts)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
    except (Exception, SystemExit) as error:
        if interruption.asked() or isinstance(error, SystemExit):
            status = "KILLED"
        if not interruption.asked():  # else it is what a library made of the interruption
            raise
    finally:
        with _undisturbed():
            if status == "KILLED":
                say_on_terminal("interrupted: closing the sweep")
            if watcher is not None:
                watcher.stop()
            missing = _closed(store, plan, run, status, verdicts)
    if status == "KILLED":
        raise interruption.Interrupted(_how_far(plan, missing))
    if missing:
        of = "" if plan.guided else f" of {len(plan.jobs)}"
        raise SweepFailed(f"{missing}{of} jobs did not finish; their runs in the store say why")


def _how_far(plan: Plan, missing: int) -> str:
    """What an interrupted sweep leaves, and how it goes on."""
    done = "" if plan.guided else f"{len(plan.jobs) - missing} of {len(plan.jobs)} jobs done; "
    return f"{done}continue with the same command and resume=last"


def _start(store: Store, plan: Plan, resume: str | None, threads: int | None) -> tuple[Recorder, Plan]:
    """The sweep's run and what is to do in it, after saying so."""
    if resume is None:
        _announce(store, plan, plan.name, threads)
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
    ended = done(store, sweep.id)
    remaining = plan.without(ended)
    finished = f"{len(plan.jobs) - len(remaining.jobs)} of {len(plan.jobs)}" if not plan.guided else str(len(ended))
    _announce(store, remaining, f"resuming {sweep.name}: {finished} jobs are done; to do", threads)
    return store.reopen(sweep.id), remaining


def _announce(store: Store, plan: Plan, what: str, threads: int | None) -> None:
    """Say how much there is to do before it begins."""
    baselines = {baseline_key(planned.job, threads) for planned in plan.jobs}
    there = sum(is_stored(key, store) for key in baselines)
    jobs = "as many jobs as it takes" if plan.guided else f"{len(plan.jobs)} jobs"
    Console().print(
        f"{what}: {jobs}; baselines: {len(baselines) - there} to train, {there} there already",
        highlight=False,
        soft_wrap=True,
    )


def _closed(store: Store, plan: Plan, run: Recorder, status: str, verdicts: list[str]) -> int:
    """As `_close`; if even that fails, the run is at least not left RUNNING, as far as the store can be written."""
    try:
        return _close(store, plan, run, status, verdicts)
    except Exception:
        with suppress(Exception):
            store.end(run, "KILLED" if status == "KILLED" else "FAILED")
        raise


def _close(store: Store, plan: Plan, run: Recorder, status: str, verdicts: list[str]) -> int:
    """Publish what finished and end the run; returns how many jobs did not finish."""
    close_orphans(store, run.id)
    sweep = store.sweep(run.id)
    latest = {job.tags[names.CONFIG_HASH]: job.status for job in sweep.jobs}
    finished = len(sweep.finished)
    failed = sum(state == "FAILED" for state in latest.values())
    missing = (len(latest) if plan.guided else len(plan.jobs)) - finished
    run.metrics({names.JOBS_FINISHED: finished, names.JOBS_FAILED: failed, names.JOBS_NOT_RUN: missing - failed})
    if missing and status == "FINISHED":
        status = "FAILED"
    if finished:
        say_on_terminal("writing the report")
        publish(store, run, sweep, verdicts)
    store.end(run, status)
    return missing


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not interrupt the closing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
