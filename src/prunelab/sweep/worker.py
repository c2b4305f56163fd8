"""One job of a sweep, in whatever process the launcher runs it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from prunelab import logs
from prunelab.config import Job
from prunelab.errors import PrunelabError
from prunelab.identity import config_hash
from prunelab.interruption import OutOfTime, heed, heeded
from prunelab.job import Result, run
from prunelab.reading import read
from prunelab.sweep import slurm
from prunelab.sweep.combinations import as_overrides, combination_of
from prunelab.sweep.progress import Progress
from prunelab.tracking.outage import Unwritable

log = logging.getLogger(__name__)


class JobFailed(PrunelabError):
    """A job failed; its run in the store has the reason. Any worker can send it: it holds nothing but a text."""


class Stop(BaseException):
    """Ends a serial sweep whose next jobs would all fail alike. No Exception, which a launcher would keep."""

    def __init__(self, error: Unwritable) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What every job of a sweep needs to know; it travels to the workers of any launcher.

    `alone`: jobs run one at a time, so that their speed can be measured. `in_names`: which of recovery and seed the
    jobs' names have. `log_level`: of `logging`. `progress` is there only where jobs run in the sweep's own process;
    elsewhere the sweep watches the store.
    """

    sweep_id: str
    threads: int | None
    alone: bool
    in_names: tuple[str, ...] = ()
    log_level: int = logging.INFO
    progress: Progress | None = None


def run_in_sweep(context: SweepContext, config: DictConfig) -> Result:
    """Hydra's task function: run the job that Hydra composed, and pass an exception on to the launcher, which goes on.

    Raises:
        JobFailed, Stop: as `run_composed`.
    """
    logs.use(context.log_level)
    slurm.listen()
    overrides = combination_of(HydraConfig.get().overrides.task)
    overrides.pop("paths.root", None)  # it came with the launch
    return run_composed(context, read(config), as_overrides(overrides))


def run_composed(context: SweepContext, job: Job, overrides: list[str]) -> Result:
    """Run the job and report its end.

    Raises:
        JobFailed: if it failed, whatever the reason.
        Stop: if the jobs after it would fail alike.
    """
    heed()
    progress, name = context.progress, job.name_with(context.in_names)
    started = time.perf_counter()
    label = "" if progress is None else config_hash(job, context.threads)
    log.debug("%s begins: %s", name, " ".join(overrides))
    if progress is not None:
        progress.starts(label, name)
    try:
        with heeded():
            result = run(job, overrides, context.sweep_id, context.threads, alone=context.alone, name=name)
    except (Exception, OutOfTime) as error:
        if isinstance(error, Unwritable) and progress is not None:
            raise Stop(error) from None
        if progress is not None:
            progress.failed(label, name, f"Failed: {type(error).__name__}: {error}", time.perf_counter() - started)
        raise JobFailed(f"{name}: {type(error).__name__}: {error}") from None
    if progress is not None:
        progress.finished(label, name, result.test, result.validation, time.perf_counter() - started)
    return result
