"""Optuna's sweeper, its trials recorded as the jobs of a sweep. Defines nothing without the extra `search`."""

from __future__ import annotations

from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.prunelab.sweepers import begin
from prunelab.errors import exiting

try:
    from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
except ImportError:
    pass
else:

    class SearchSweeper(OptunaSweeper):
        """Minimises parameters and maximises validation accuracy over the settings in `params`."""

        def __init__(self, jobs: Any = None, zip: Any = None, **settings: Any) -> None:
            if jobs or zip:
                raise SystemExit("prunelab: hydra.sweeper.jobs and zip are refused with experiment=search")
            super().__init__(**settings)

        def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
            """Set up Optuna's sweeper, whose settings may refer to Hydra's own."""
            HydraConfig.instance().set_config(config)
            super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

        def sweep(self, arguments: list[str]) -> Any:
            """Run the search; exits with status 1 if it is refused or any of its jobs failed."""
            assert self.sweeper.config is not None
            with exiting():
                begin(self.sweeper.config, OverridesParser.create().parse_overrides(arguments))
                from prunelab.sweep.search import run_search

                return run_search(self.sweeper, arguments)
