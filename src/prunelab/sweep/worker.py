"""One job of a sweep, in whatever process the launcher puts it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from prunelab.config import read
from prunelab.job import Result, run
from prunelab.sweep.progress import Progress


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What every job of a sweep is told; travels to the workers of any launcher.

    `progress` is there only where the job runs in the sweep's own process; elsewhere the sweep watches the store.
    """

    sweep_id: str
    threads: int | None
    progress: Progress | None


def run_in_sweep(context: SweepContext, config: DictConfig) -> Result:
    """Run the job and report it; an exception is passed on to the launcher, which goes on with the other jobs."""
    job = read(config)
    progress = context.progress
    started = time.perf_counter()
    if progress is not None:
        progress.starts(job.hash)
    try:
        result = run(job, list(HydraConfig.get().overrides.task), context.sweep_id, context.threads)
    except Exception as error:
        if progress is not None:
            progress.failed(job.hash, f"Failed: {type(error).__name__}: {error}", time.perf_counter() - started)
        raise
    if progress is not None:
        progress.finished(job.hash, result.test.accuracy, result.test.loss, time.perf_counter() - started)
    return result
