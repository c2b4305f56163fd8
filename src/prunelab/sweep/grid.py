"""A sweep whose jobs are all known before it starts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from prunelab import logs
from prunelab.sweep.combinations import Combination
from prunelab.sweep.launch import launch
from prunelab.sweep.parent import open_sweep
from prunelab.sweep.plan import Planner

MANY = 500
"""Show progress above this many jobs: composing them takes seconds."""

log = logging.getLogger(__name__)


def run_grid(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, combinations: Sequence[Combination]
) -> list[Any]:
    """Plan, record and run the jobs of these combinations; returns Hydra's `JobReturn` of each.

    Raises:
        PrunelabError: if the sweep is refused or a job did not finish.
    """
    planned = Planner(config, loader).plan(_announced(combinations))
    with open_sweep(planned, config.hydra.launcher) as sweep:
        return list(launch(launcher, sweep.store, sweep.context, sweep.remaining.jobs).values())


def _announced(combinations: Sequence[Combination]) -> Iterable[Combination]:
    """The combinations; many of them with a progress bar on a terminal, with a line elsewhere."""
    if len(combinations) < MANY:
        return combinations
    if logs.on_terminal():
        return track(combinations, "composing", console=Console(stderr=True), transient=True)
    log.info(f"composing {len(combinations):,} jobs")
    return combinations
