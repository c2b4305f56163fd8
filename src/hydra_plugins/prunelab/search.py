"""Optuna's sweeper, its trials recorded as the jobs of a sweep. Without the extra `search` there is nothing here."""

from __future__ import annotations

from typing import Any

try:
    from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
except ImportError:
    pass
else:

    class SearchSweeper(OptunaSweeper):
        """Fewest parameters against highest validation accuracy, over whatever `params` lets vary."""

        def sweep(self, arguments: list[str]) -> Any:
            """Run the search; exits with status 1 if it is refused or any of its jobs failed."""
            from prunelab.sweep.guided import run_search

            return run_search(self.sweeper, arguments)
