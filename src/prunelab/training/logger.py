"""Metrics of a training's epochs, from Lightning into a run of the store."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.loggers import Logger

from prunelab.tracking.recorder import Recorder


class EpochLogger(Logger):
    """Writes each epoch's metrics at once, so that a training can be watched; the step is the epoch, from 0.

    Lightning's own MLFlowLogger ends the run it writes to, whatever follows; this one leaves the run to its owner.
    """

    def __init__(self, run: Recorder) -> None:
        super().__init__()
        self._run = run

    @property
    def name(self) -> str:
        """Not used by MLflow."""
        return "mlflow"

    @property
    def version(self) -> str:
        """The run's id."""
        return self._run.id

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's owner writes these."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """One epoch's metrics, validation and training each in a call of their own."""
        epoch = int(metrics.pop("epoch", 0))
        self._run.metrics(metrics, step=epoch)
        self._run.flush()
