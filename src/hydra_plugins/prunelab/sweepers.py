"""How Hydra hands a sweep over: each sweeper lists the jobs, `prunelab.sweep` does the rest.

Hydra imports this file at every start, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from prunelab import logs
from prunelab.arithmetic.environment import choose
from prunelab.errors import exiting


class GridSweeper(BasicSweeper):
    """Every combination of the swept values (`a=1,2 b=3,4` is four jobs), the last key varying fastest.

    Each is combined with each of `jobs` and with each step of the keys in `zip`: see `prunelab.sweep.combinations`.
    """

    def __init__(self, params: dict[str, str] | None = None, jobs: Any = None, zip: Any = None) -> None:
        super().__init__(max_batch_size=None, params=params)
        self._jobs: Any = OmegaConf.to_container(jobs) if OmegaConf.is_config(jobs) else jobs
        self._zip: Any = OmegaConf.to_container(zip) if OmegaConf.is_config(zip) else zip

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher; one whose plugin is not installed is refused by the name of the extra that brings it."""
        HydraConfig.instance().set_config(config)  # a launcher's own settings may refer to it
        try:
            super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        except (RuntimeError, ImportError) as error:
            chosen = config.hydra.runtime.choices["hydra/launcher"]
            extra = str(chosen).partition("_")[0]
            raise SystemExit(
                f"prunelab: hydra/launcher={chosen} is refused: its plugin is not installed "
                f"(in the checkout: pip install -e '.[{extra}]'): {error}"
            ) from error

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; exits with status 1 if it is refused or any of its jobs failed."""
        with exiting():
            sweep = self._prepared(arguments)  # what is refused here is refused before torch is loaded
            from prunelab.sweep.grid import run_grid

            return run_grid(*sweep)

    def _prepared(self, arguments: list[str]) -> tuple[DictConfig, ConfigLoader, Launcher, list[dict[str, str]]]:
        """The sweep's configuration, what composes its jobs', the launcher, and the overrides of each job."""
        from prunelab.sweep.combinations import combination_of, combined

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        overrides = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        begin(self.config, overrides)
        grid = [combination_of(texts) for texts in self.split_arguments(overrides, None)[0]]
        return self.config, loader, self.launcher, combined(grid, self._jobs, self._zip)


class UntilSweeper(GridSweeper):
    """For every combination of the swept values, the largest percentage that satisfies the conditions of `until`."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; exits with status 1 if it is refused or any of its jobs failed."""
        with exiting():
            sweep = self._prepared(arguments)
            from prunelab.sweep.until import run_until

            return run_until(*sweep)


def begin(config: DictConfig, overrides: Iterable[Override]) -> None:
    """Choose the arithmetic of this process and its workers, the same for all jobs, before torch is loaded."""
    logs.follow_hydra(config.hydra.verbose)
    given = [override.value() for override in overrides if override.key_or_group == "trainer.arithmetic"]
    choose(str(given[-1] if given else config.trainer.arithmetic))
