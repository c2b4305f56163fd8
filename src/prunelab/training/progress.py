"""How a training shows that it goes on: a bar on a terminal, a line per epoch anywhere else."""

from __future__ import annotations

import logging
import time

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

from prunelab.config import Trainer
from prunelab.logs import on_terminal

log = logging.getLogger(__name__)


def progress_of(trainer: Trainer, epochs: int) -> Callback:
    """The callback that shows the progress of `epochs` epochs; `trainer.progress=false` never draws bars."""
    if trainer.progress and on_terminal():
        return TQDMProgressBar(refresh_rate=20)
    return EpochLines(epochs)


class EpochLines(Callback):
    """One line per epoch: its metrics, how long it took, how long the rest will take."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.started = 0.0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """The clock starts."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Validation has been done and logged by now."""
        done = trainer.current_epoch + 1
        each = (time.perf_counter() - self.started) / done
        metrics = trainer.callback_metrics
        values = ", ".join(f"{name} {float(metrics[name]):.4f}" for name in sorted(metrics) if "/" in name)
        log.info(f"epoch {done}/{self.epochs}: {values} ({each * (self.epochs - done):.0f} s left)")
