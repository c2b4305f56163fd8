"""One job of a sweep, in whatever process the launcher puts it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from prunelab.config import Job
from prunelab.identity import config_hash
from prunelab.interruption import heed
from prunelab.job import Result, run
from prunelab.reading import read
from prunelab.sweep.progress import Progress
from prunelab.tracking.outage import Unwritable

ROOT = "paths.root="


class JobFailed(Exception):
    """A job failed, and its run in the store says why. Travels from any worker as a plain text."""


class Stop(BaseException):
    """Ends a serial sweep, whose next jobs would fail alike; no Exception, which a launcher would keep."""

    def __init__(self, error: Unwritable) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What every job of a sweep is told; travels to the workers of any launcher.

    `progress` is there only where the job runs in the sweep's own process; elsewhere the sweep watches the store.
    `told_by`: which of recovery and seed the jobs' names have to say.
    """

    sweep_id: str
    threads: int | None
    progress: Progress | None
    told_by: tuple[str, ...] = ()


def run_in_sweep(context: SweepContext, config: DictConfig) -> Result:
    """Run the job and report it; an exception is passed on to the launcher, which goes on with the other jobs."""
    heed()
    overrides = [override for override in HydraConfig.get().overrides.task if not override.startswith(ROOT)]
    return run_composed(context, read(config), overrides)


def run_composed(context: SweepContext, job: Job, overrides: list[str]) -> Result:
    """As `run_in_sweep`, of a job that is composed already.

    Raises:
        JobFailed: if it failed, whatever the reason.
        Stop: if the jobs after it would fail alike.
    """
    heed()
    progress, name = context.progress, job.name_told_by(context.told_by)
    started = time.perf_counter()
    label = "" if progress is None else config_hash(job, context.threads)
    if progress is not None:
        progress.starts(label, name)
    try:
        result = run(job, overrides, context.sweep_id, context.threads, alone=progress is not None, name=name)
    except Exception as error:
        heed()
        if isinstance(error, Unwritable) and progress is not None:
            raise Stop(error) from None
        if progress is not None:
            progress.failed(label, name, f"Failed: {type(error).__name__}: {error}", time.perf_counter() - started)
        raise JobFailed(f"{name}: {type(error).__name__}: {error}") from None
    if progress is not None:
        progress.finished(label, name, result.test.accuracy, result.test.loss, time.perf_counter() - started)
    return result
