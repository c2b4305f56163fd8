"""One training: a Lightning Trainer that keeps the best epoch on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, ProgressBar
from torch import nn

from prunelab.config import Precision, Trainer, Training
from prunelab.data.dataset import Dataset
from prunelab.quiet import quiet
from prunelab.training.batches import DataModule
from prunelab.training.checkpoint import load_weights
from prunelab.training.classifier import SELECTION, Classifier, Distillation

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

PRECISIONS = {Precision.FLOAT32: "32-true", Precision.BF16: "bf16-mixed"}


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training left: the checkpoint of its best epoch (counted from 0), and that epoch's number."""

    checkpoint: Path
    best_epoch: int


def fit(
    network: nn.Module,
    dataset: Dataset,
    training: Training,
    trainer: Trainer,
    seed: int,
    folder: Path,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    distillation: Distillation | None = None,
) -> Fit:
    """Train `network` in place and leave it as it was after its best epoch on validation.

    The checkpoint, `folder/best.ckpt`, holds the weights alone and loads with `weights_only=True`.

    Raises:
        TrainingError: if a loss is not a number.
    """
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=SELECTION,
        mode=_mode(training),
        save_weights_only=True,
        enable_version_counter=False,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
    )
    extra: list[Callback] = [best, *callbacks]
    if training.patience is not None:
        extra.append(EarlyStopping(training.monitor, mode=_mode(training), patience=training.patience))
    torch.manual_seed(seed)
    # Lightning's deterministic mode would otherwise fill all new memory first; nothing here reads unwritten memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    with quiet("pytorch_lightning", module="pytorch_lightning"):  # its advertisements
        lightning.Trainer(
            accelerator=trainer.accelerator,
            devices=1,
            precision=PRECISIONS[training.precision],  # type: ignore[arg-type]
            max_epochs=training.epochs,
            deterministic=True,
            logger=list(loggers),
            callbacks=extra,
            enable_model_summary=False,
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in extra),
            num_sanity_val_steps=0,
        ).fit(
            Classifier(network, training, distillation),
            datamodule=DataModule(dataset, training.batch_size, seed),
        )
    path = Path(best.best_model_path)
    network.to(dataset.device)  # Lightning leaves it in the processor's memory
    load_weights(network, path)
    return Fit(path, int(torch.load(path, weights_only=True)["epoch"]))


def _mode(training: Training) -> str:
    return "max" if training.monitor == "val/accuracy" else "min"
