"""How Hydra hands a sweep over: each sweeper says which jobs there are, `prunelab.sweep` does the rest.

Hydra imports this file at every start, so nothing heavy is imported here.
"""

from __future__ import annotations

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from prunelab.arithmetic.environment import choose


class GridSweeper(BasicSweeper):
    """Every combination of the swept values (`a=1,2 b=3,4` is four jobs), the last key varying fastest.

    Each with each of the listed `jobs`, and with each step of the keys in `zip`: see `prunelab.sweep.combined`.
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
        parts = self._parts(arguments)  # before torch comes with the import
        from prunelab.sweep.grid import run_grid

        return run_grid(*parts)

    def _parts(self, arguments: list[str]) -> tuple[DictConfig, ConfigLoader, Launcher, list[list[str]]]:
        """The configuration, what composes it, the launcher, and every combination of the swept values."""
        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        choose_arithmetic(self.config, arguments)
        loader = self.hydra_context.config_loader
        overrides = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        grid = self.split_arguments(overrides, None)[0]
        if not self._jobs and not self._zip:
            return self.config, loader, self.launcher, grid
        from prunelab.errors import ConfigError
        from prunelab.sweep.combined import combined

        try:
            return self.config, loader, self.launcher, combined(grid, self._jobs, self._zip)
        except ConfigError as error:
            raise SystemExit(f"prunelab: {error}") from error


class UntilSweeper(GridSweeper):
    """For every combination of the swept values, the largest percentage that satisfies the conditions of `until`."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; exits with status 1 if it is refused or any of its jobs failed."""
        parts = self._parts(arguments)  # before torch comes with the import
        from prunelab.sweep.guided import run_until

        return run_until(*parts)


def choose_arithmetic(config: DictConfig, arguments: list[str]) -> None:
    """Set the arithmetic of this process, and of its workers, before torch is loaded: the same for all jobs."""
    key = "trainer.arithmetic="
    given = [argument.removeprefix(key) for argument in arguments if argument.startswith(key)]
    choose(given[-1] if given else str(config.trainer.arithmetic))
