"""Runs a sweep's jobs: in this process, or by Hydra's launcher, going on when a worker process dies."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from prunelab import names
from prunelab.errors import PrunelabError
from prunelab.identity import baseline_key
from prunelab.sweep import slurm
from prunelab.sweep.combinations import Combination, as_overrides, spelled
from prunelab.sweep.launchers import in_this_process
from prunelab.sweep.plan import PlannedJob
from prunelab.sweep.worker import JobFailed, Stop, SweepContext, run_composed, run_in_sweep
from prunelab.tracking.environment import process
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

DYING_SECONDS = 10.0
"""How long the other workers of a broken pool may take to end."""
AT_ONCE = 1000
"""How many jobs joblib gets at once: each comes back with two copies of its whole configuration."""
FRUITLESS = 3
"""How often in a row workers may die before any job has begun."""

log = logging.getLogger(__name__)


class LaunchFailed(PrunelabError):
    """A launcher that cannot run jobs: a cluster that is not there or refuses, workers that die at their start."""


def launch(
    launcher: Any, store: Store, context: SweepContext, jobs: Sequence[PlannedJob], first: int = 0
) -> dict[str, JobReturn]:
    """Run the jobs, which are the sweep's from number `first` on; returns their results by config hash.

    Jobs that run one after the other in this process are not given to Hydra unless it has something to do for each,
    callbacks to call or environment variables to set: its basic launcher would compose each job again (91 ms), and keep
    two copies of every configuration until the last job ends.

    A job whose worker process was killed is missing from what is returned.

    Raises:
        PrunelabError: if jobs cannot be launched, or the jobs after one that failed would fail alike.
    """
    hydra = launcher.config.hydra
    if in_this_process(hydra.launcher) and not hydra.callbacks and not hydra.job.env_set:
        found = {planned.hash: _run_here(context, planned) for planned in jobs}
    else:
        launcher.task_function = partial(run_in_sweep, context)
        found = _run_by_hydra(launcher, store, context.sweep_id, trainings_first(jobs, context.threads), first)
    _complain(found.values())
    return found


def trainings_first(jobs: Sequence[PlannedJob], threads: int | None) -> list[PlannedJob]:
    """The jobs with the first one of each baseline before all others.

    Jobs that run at the same time then train different baselines, rather than wait for the same one.
    """
    by_baseline = {baseline_key(planned.job, threads): planned.hash for planned in reversed(jobs)}
    first = set(by_baseline.values())
    return sorted(jobs, key=lambda planned: planned.hash not in first)


def _run_here(context: SweepContext, planned: PlannedJob) -> JobReturn:
    overrides = as_overrides(planned.overrides)
    outcome = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
    try:
        outcome.return_value = run_composed(context, planned.job, overrides)
    except Stop as stop:
        raise stop.error from None
    except Exception as error:
        outcome.status, outcome.return_value = JobStatus.FAILED, error
    return outcome


def _run_by_hydra(
    launcher: Any, store: Store, sweep_id: str, jobs: Sequence[PlannedJob], first: int
) -> dict[str, JobReturn]:
    """Run the jobs; returns the launcher's results, without configurations, for jobs whose pool survived.

    When a worker process is killed (by the system when memory runs out, for instance), joblib takes the whole pool
    down. The jobs that were running in it are FAILED then, with that reason, and the others go on in a new pool.
    """
    remaining, fruitless, since = list(jobs), 0, round(1000 * time.time())
    returned: dict[str, JobReturn] = {}
    while remaining:
        batch = remaining[:AT_ONCE] if type(launcher).__name__ == "JoblibLauncher" else remaining
        overrides = [as_overrides(_for_workers(planned)) for planned in batch]
        try:
            with _in_words(launcher), slurm.every_job_awaited(launcher):
                found = launcher.launch(overrides, initial_job_idx=first + len(jobs) - len(remaining))
        except BrokenProcessPool as error:
            ended = _fail_dead(
                store, sweep_id, since, f"its worker process died ({_reason(error)}); resume= runs it again"
            )
            left = [planned for planned in remaining if planned.hash not in ended]
            fruitless = fruitless + 1 if len(left) == len(remaining) else 0
            if fruitless == FRUITLESS:
                raise LaunchFailed(f"worker processes die before they begin a job: {_reason(error)}") from error
            remaining = left
        else:
            for planned, each in zip(batch, found, strict=True):
                returned[planned.hash] = JobReturn(each.overrides, status=each.status, _return_value=each._return_value)
            remaining = remaining[len(batch) :]
    slurm.fail_lost(store, sweep_id, list(returned.values()))
    return returned


def _for_workers(planned: PlannedJob) -> Combination:
    """The overrides of a job for a worker, whose current folder, Hydra's `paths.root`, may be another."""
    return {**planned.overrides, "paths.root": spelled(str(planned.job.paths.root))}


@contextmanager
def _in_words(launcher: Any) -> Iterator[None]:
    """Turn a launcher's exceptions into errors for users; a broken pool is passed on to callers that can recover."""
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


def _complain(returns: Iterable[JobReturn]) -> None:
    """Log why jobs failed that have no run in the store with the reason, or that a cluster ended."""
    reasons = []
    for job in returns:
        error = job._return_value
        if isinstance(error, slurm.LostJob):
            reasons.append(str(error))
        elif isinstance(error, Exception) and not isinstance(error, JobFailed):
            reasons.append(f"a job could not be started: {type(error).__name__}: {error}")
    for reason in dict.fromkeys(reasons):
        log.warning(reason)


def _reason(error: Exception) -> str:
    """What is known of why a worker died: loky tells exit codes, SIGKILL being the system's when memory runs out."""
    text = str(error)
    if "SIGKILL" in text:
        return "SIGKILL: killed from outside, or by the system when memory ran out"
    codes = text.partition("exit codes of the workers are ")[2].strip()
    return codes or text.partition("\n")[0] or type(error).__name__


def _fail_dead(store: Store, sweep_id: str, since: int, words: str) -> set[str]:
    """End as FAILED the sweep's jobs whose processes on this machine are gone.

    Returns the config hashes of all jobs that ended since the time `since` (ms since 1970), however they did.
    """
    deadline = time.monotonic() + DYING_SECONDS
    while any(map(_is_alive, store.children(sweep_id, "RUNNING"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    for run in store.children(sweep_id, "RUNNING"):
        if not _is_alive(run):
            store.fail(run.id, words)
    return {run.tags[names.CONFIG_HASH] for run in store.children(sweep_id, ended_since=since)}


def _is_alive(run: Run) -> bool:
    """Whether a run's process is at work on this machine."""
    return run.is_at_work and run.tags.get("process.host") == process()["process.host"]
