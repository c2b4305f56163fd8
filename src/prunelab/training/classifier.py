"""The Lightning module: cross-entropy, accuracy and loss per epoch, an optimiser from the config."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from prunelab.config import Training
from prunelab.errors import TrainingError

Parameters = Iterable[nn.Parameter]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,  # Kingma and Ba 2015
    "adamw": torch.optim.AdamW,  # Loshchilov and Hutter 2019
    "sgd": torch.optim.SGD,
}


class Classifier(LightningModule):
    """Trains `network` ([n, features] -> logits [n, classes]); logs once per epoch, so no step waits for a number."""

    def __init__(self, network: nn.Module, training: Training, classes: int) -> None:
        super().__init__()
        self.network = network
        self.training_config = training
        self.train_metrics, self.val_metrics = _metrics(classes), _metrics(classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, features]."""
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Mean cross-entropy of the batch, in nats."""
        return self._step(batch, self.train_metrics)

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Counted into the epoch's validation metrics."""
        self._step(batch, self.val_metrics)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch, both its stages (its last training step is done); refuse a loss that is not a number."""
        self._log(self.train_metrics, "train")
        self._log(self.val_metrics, "val")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser that the config names."""
        config = self.training_config
        return OPTIMIZERS[config.optimizer](
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )

    def _step(self, batch: tuple[Tensor, Tensor], metrics: MetricCollection) -> Tensor:
        images, labels = batch
        logits = self(images)
        loss = functional.cross_entropy(logits, labels)
        metrics["loss"].update(loss.detach(), weight=len(labels))
        metrics["accuracy"].update(logits.detach(), labels)
        return loss

    def _log(self, metrics: MetricCollection, stage: str) -> None:
        values: dict[str, Any] = metrics.compute()
        metrics.reset()
        if not torch.isfinite(values["loss"]):
            raise TrainingError(
                f"the {stage} loss became {values['loss'].item()} in epoch {self.current_epoch}: "
                f"lower training.learning_rate (now {self.training_config.learning_rate:g})"
            )
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()})


def _metrics(classes: int) -> MetricCollection:
    return MetricCollection(
        {
            "loss": MeanMetric(nan_strategy="disable"),
            "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
        },
        compute_groups=False,
    )
