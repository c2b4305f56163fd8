"""One job of a sweep, in whatever process the launcher puts it."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from prunelab.config import read
from prunelab.job import Result, run
from prunelab.sweep.progress import Progress


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What every job of a sweep is told; travels to the workers of any launcher."""

    sweep_id: str
    threads: int | None
    progress: Progress | None


def run_in_sweep(context: SweepContext, config: DictConfig) -> Result:
    """Run the job and report it; an exception is passed on to the launcher, which goes on with the other jobs."""
    job = read(config)
    progress = context.progress
    if progress is not None:
        progress.starts(job.run_name)
    try:
        result = run(job, list(HydraConfig.get().overrides.task), context.sweep_id, context.threads)
    except Exception as error:
        if progress is not None:
            progress.failed(job.run_name, error)
        raise
    if progress is not None:
        progress.finished(job.run_name, result.test)
    return result
