"""A sweep whose jobs are all known before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from prunelab.config import Job
from prunelab.errors import PrunelabError
from prunelab.sweep.composing import composer
from prunelab.sweep.launch import launch, launch_here
from prunelab.sweep.launchers import in_this_process, needs_hydra, threads_per_job
from prunelab.sweep.parent import open_sweep
from prunelab.sweep.plan import plan
from prunelab.sweep.slurm import LostJob
from prunelab.sweep.worker import ROOT, JobFailed, run_in_sweep

MANY = 500
"""Show progress above this many jobs."""


def run_grid(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, combinations: Sequence[Sequence[str]]
) -> list[Any]:
    """Plan, record and run the jobs that `combinations` of overrides describe; what the launcher returned for each.

    Raises:
        SystemExit: with a message, if the sweep is refused or a job did not finish.
    """
    try:
        planned = plan(shown(combinations), composer(config, loader), threads_per_job(config.hydra.launcher))
        with open_sweep(planned, config.hydra.launcher) as sweep:
            jobs = sweep.remaining.jobs
            if in_this_process(config.hydra.launcher) and not needs_hydra(config):
                returns = launch_here(sweep.context, jobs)
            else:
                launcher.task_function = partial(run_in_sweep, sweep.context)  # type: ignore[attr-defined]
                returns = launch(
                    launcher, sweep.store, sweep.context.sweep_id, jobs, lambda j: with_root(j.overrides, j.job)
                )
            complain(returns)
            return returns
    except PrunelabError as error:
        raise SystemExit(f"prunelab: {error}") from error


def shown(combinations: Sequence[Sequence[str]]) -> Iterable[Sequence[str]]:
    """The combinations, with a bar on a terminal, or a line elsewhere, where composing them takes more than moments."""
    console = Console(stderr=True)
    if len(combinations) < MANY:
        return combinations
    if not console.is_terminal:
        console.print(f"composing {len(combinations):,} jobs", highlight=False)
        return combinations
    return track(combinations, "composing", console=console, transient=True)


def with_root(overrides: Sequence[str], job: Job) -> list[str]:
    """The overrides, and the root that this process has, for every worker; Hydra would take the worker's own."""
    quoted = str(job.paths.root).replace("\\", "\\\\").replace("'", "\\'")
    return [*overrides, f"{ROOT}'{quoted}'"]


def complain(returns: Sequence[JobReturn]) -> None:
    """Say why jobs failed that have no run in the store to say it, or that a cluster ended."""
    reasons = []
    for job in returns:
        error = job._return_value
        if isinstance(error, LostJob):
            reasons.append(str(error))
        elif isinstance(error, Exception) and not isinstance(error, JobFailed):
            reasons.append(f"a job could not be started: {type(error).__name__}: {error}")
    for reason in dict.fromkeys(reasons):
        Console(stderr=True).print(reason, markup=False, highlight=False)
