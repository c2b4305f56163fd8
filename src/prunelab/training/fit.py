"""Train a network with a Lightning Trainer and keep the best epoch on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, ProgressBar
from torch import nn

from prunelab.choices import Precision
from prunelab.config import Trainer, Training
from prunelab.data.dataset import Dataset
from prunelab.quiet import quiet
from prunelab.training.batches import DataModule
from prunelab.training.checkpoint import load_weights
from prunelab.training.classifier import SELECTION, Classifier, Distillation
from prunelab.training.lightning_overhead import avoid_overheads

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

PRECISIONS = {Precision.FLOAT32: "32-true", Precision.BF16: "bf16-mixed"}


@dataclass(frozen=True, slots=True)
class Fit:
    """The result of a training: the checkpoint of its best epoch, and that epoch's number, from 0."""

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
    """Train `network` in place, in training mode, and leave it with the weights of its best epoch on validation.

    The checkpoint, `folder/best.ckpt`, holds only the weights and loads with `weights_only=True`.

    Raises:
        TrainingError: if a loss is not finite.
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
    network.train()  # Lightning trains every module in the mode in which it finds it
    torch.manual_seed(seed)
    avoid_overheads()
    with quiet("pytorch_lightning", module="(pytorch_lightning|lightning_fabric)"):  # advertisements and hints
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
            datamodule=DataModule(dataset, training.batch_size, seed, training.shift, training.flip),
        )
    path = Path(best.best_model_path)
    network.to(dataset.device).to(memory_format=torch.contiguous_format)  # Lightning moves it to the CPU at the end
    load_weights(network, path)
    return Fit(path, int(torch.load(path, weights_only=True)["epoch"]))


def _mode(training: Training) -> str:
    return "max" if training.monitor == "val/accuracy" else "min"
