"""One training: a Lightning Trainer that keeps the best epoch on validation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, ProgressBar
from pytorch_lightning.profilers import PassThroughProfiler
from torch import nn

from prunelab.choices import Precision
from prunelab.config import Trainer, Training
from prunelab.data.dataset import Dataset
from prunelab.quiet import quiet
from prunelab.training.batches import DataModule
from prunelab.training.checkpoint import load_weights
from prunelab.training.classifier import SELECTION, Classifier, Distillation

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

NOTHING = nullcontext()
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
    best = _Best(
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
    if not torch.cuda.is_available():
        # Lightning has torch look for GPUs through NVML. Adam looks at every step, a failing dlopen each time.
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
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
            profiler=_Unprofiled(),
        ).fit(
            Classifier(network, training, distillation),
            datamodule=DataModule(dataset, training.batch_size, seed, training.shift, training.flip),
        )
    path = Path(best.best_model_path)
    network.to(dataset.device).to(
        memory_format=torch.contiguous_format
    )  # Lightning leaves it in the processor's memory
    load_weights(network, path)
    return Fit(path, int(torch.load(path, weights_only=True)["epoch"]))


class _Best(ModelCheckpoint):
    """The best epoch's checkpoint."""

    @property
    def state_key(self) -> str:
        """Lightning asks for it six times a step; put together from the settings, as it is, that takes time."""
        return "best"


class _Unprofiled(PassThroughProfiler):
    """No profiler. Lightning enters it some twenty times a step, by a generator each time."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Nothing around the action."""
        return NOTHING


def _mode(training: Training) -> str:
    return "max" if training.monitor == "val/accuracy" else "min"
