"""A sweep whose jobs are all known before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from prunelab.config import Job, read
from prunelab.errors import PrunelabError
from prunelab.sweep.parent import open_sweep
from prunelab.sweep.plan import plan
from prunelab.sweep.worker import run_in_sweep


def run_grid(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, combinations: Sequence[Sequence[str]]
) -> list[Any]:
    """Plan, record and run the jobs that `combinations` of overrides describe; what the launcher returned for each.

    Raises:
        SystemExit: with a message, if the sweep is refused or a job did not finish.
    """

    def compose(overrides: Sequence[str]) -> Job:
        composed = loader.load_sweep_config(config, list(overrides))
        HydraConfig.instance().set_config(composed)
        return read(composed)

    try:
        planned = plan(combinations, compose)
        with open_sweep(planned, config.hydra.launcher) as sweep:
            jobs = [list(job.overrides) for job in sweep.remaining.jobs]
            launcher.task_function = partial(run_in_sweep, sweep.context)  # type: ignore[attr-defined]
            return list(launcher.launch(jobs, initial_job_idx=0)) if jobs else []
    except PrunelabError as error:
        raise SystemExit(f"prunelab: {error}") from error
