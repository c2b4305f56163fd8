"""Progress of a training: a bar on a terminal, otherwise one line per epoch."""

from __future__ import annotations

import logging
import time

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

from prunelab.config import Trainer
from prunelab.logs import on_terminal

log = logging.getLogger(__name__)


def progress_of(trainer: Trainer, epochs: int) -> Callback:
    """The callback that shows the progress of `epochs` epochs. With `trainer.progress=false` there is never a bar."""
    if trainer.progress and on_terminal():
        return TQDMProgressBar(refresh_rate=20)
    return EpochLines(epochs)


class EpochLines(Callback):
    """Prints one line per epoch: its metrics and the remaining time."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.started = 0.0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Print the epoch's line; validation has run by now."""
        done = trainer.current_epoch + 1
        each = (time.perf_counter() - self.started) / done
        metrics = trainer.callback_metrics
        values = ", ".join(f"{name} {float(metrics[name]):.4f}" for name in sorted(metrics) if "/" in name)
        log.info(f"epoch {done}/{self.epochs}: {values} ({each * (self.epochs - done):.0f} s left)")
