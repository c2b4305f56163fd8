"""Handing a sweep's jobs to Hydra's launcher, and going on when a worker process dies under them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from prunelab import names
from prunelab.errors import PrunelabError
from prunelab.sweep import slurm
from prunelab.sweep.plan import PlannedJob
from prunelab.sweep.slurm import every_job_awaited
from prunelab.sweep.worker import Stop, SweepContext, run_composed
from prunelab.tracking.environment import process
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

DYING_SECONDS = 10.0
"""How long the other workers of a broken pool may take to end."""
AT_ONCE = 1000
"""So many jobs are handed to joblib together: each comes back with two copies of its whole configuration."""
FRUITLESS = 3
"""How often in a row workers may die before any job has begun."""


class LaunchFailed(PrunelabError):
    """A launcher that cannot run jobs: a cluster that is not there or refuses, workers that die at their start."""


def launch(
    launcher: Any, store: Store, sweep_id: str, jobs: Sequence[PlannedJob], overrides: Callable[[PlannedJob], list[str]]
) -> list[JobReturn]:
    """Run the jobs; what the launcher returned for those whose pool lived to the end.

    When a worker process is killed (by the system when memory runs out, for instance), joblib takes the whole pool
    down. The jobs that were running in it are FAILED then, with that reason, and the others go on in a new pool.

    Raises:
        LaunchFailed: if jobs cannot be launched.
    """
    remaining, fruitless = list(jobs), 0
    returned: list[JobReturn] = []
    while remaining:
        batch = remaining[:AT_ONCE] if type(launcher).__name__ == "JoblibLauncher" else remaining
        try:
            with _in_words(launcher), every_job_awaited(launcher):
                found = launcher.launch([overrides(job) for job in batch], initial_job_idx=len(jobs) - len(remaining))
        except BrokenProcessPool as error:
            ended = fail_lost(store, sweep_id, f"its worker process died ({reason(error)}); resume= runs it again")
            left = [job for job in remaining if job.hash not in ended]
            fruitless = fruitless + 1 if len(left) == len(remaining) else 0
            if fruitless == FRUITLESS:
                raise LaunchFailed(f"worker processes die before they begin a job: {reason(error)}") from error
            remaining = left
        else:
            returned += [
                JobReturn(each.overrides, status=each.status, _return_value=each._return_value) for each in found
            ]
            remaining = remaining[len(batch) :]
    slurm.fail_lost(store, sweep_id, returned)
    return returned


def launch_here(context: SweepContext, jobs: Sequence[PlannedJob]) -> list[JobReturn]:
    """Run the jobs one after the other in this process; what Hydra's basic launcher would return, less the configs.

    That launcher composes each job again (91 ms) and keeps two copies of its whole configuration until the last job
    ends: 10,000 jobs took a quarter of an hour, and gigabytes, for nothing.

    Raises:
        PrunelabError: if the jobs after one that failed would fail alike.
    """
    returned = []
    for planned in jobs:
        outcome = JobReturn(overrides=planned.overrides, status=JobStatus.COMPLETED)
        try:
            outcome.return_value = run_composed(context, planned.job, list(planned.overrides))
        except Stop as stop:
            raise stop.error from None
        except Exception as error:
            outcome.status, outcome.return_value = JobStatus.FAILED, error
        returned.append(outcome)
    return returned


def launch_one(launcher: Any, overrides: list[str]) -> Any:
    """Run one job; what the launcher returned for it.

    Raises:
        LaunchFailed: if it cannot be launched, or its worker process dies.
    """
    try:
        with _in_words(launcher), every_job_awaited(launcher):
            (returned,) = launcher.launch([overrides], initial_job_idx=0)
    except BrokenProcessPool as error:
        raise LaunchFailed(f"a worker process died: {reason(error)}") from error
    return returned


@contextmanager
def _in_words(launcher: Any) -> Iterator[None]:
    """What a launcher raises, as an error for people; a broken pool passes, for whoever can go on after it."""
    try:
        yield
    except Stop as stop:
        raise stop.error from None
    except (PrunelabError, BrokenProcessPool):
        raise
    except Exception as error:
        raise LaunchFailed(
            f"hydra/launcher ({type(launcher).__name__}) could not run the jobs: {type(error).__name__}: {error}"
        ) from error


def reason(error: Exception) -> str:
    """What is known of why a worker died: loky tells exit codes, SIGKILL being the system's when memory runs out."""
    text = str(error)
    if "SIGKILL" in text:
        return "SIGKILL: killed from outside, or by the system when memory ran out"
    codes = text.partition("exit codes of the workers are ")[2].strip()
    return codes or text.partition("\n")[0] or type(error).__name__


def fail_lost(store: Store, sweep_id: str, words: str) -> set[str]:
    """End as FAILED the sweep's jobs whose processes on this machine are gone; the config hashes of all that ended."""
    deadline = time.monotonic() + DYING_SECONDS
    while any(map(_is_alive, store.children(sweep_id, "RUNNING"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    for run in store.children(sweep_id, "RUNNING"):
        if not _is_alive(run):
            store.fail(run.id, words)
    return {run.tags[names.CONFIG_HASH] for run in store.children(sweep_id) if run.status != "RUNNING"}


def _is_alive(run: Run) -> bool:
    """Whether a run's process is at work on this machine."""
    return run.is_at_work and run.tags.get("process.host") == process()["process.host"]
