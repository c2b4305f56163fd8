"""The Lightning module: cross-entropy loss, metrics per epoch, and the configured optimiser and schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional

from prunelab.choices import Schedule
from prunelab.config import Training
from prunelab.errors import TrainingError
from prunelab.pruning.calibration import divergence
from prunelab.training.optimizers import OPTIMIZERS

SELECTION = "selection"
"""The metric by which the best checkpoint is chosen: the monitored one, or `WORST` in epochs that are excluded."""
WORST = {"val/accuracy": -1.0, "val/loss": 1e30}


@dataclass(frozen=True, slots=True)
class Distillation:
    """Knowledge distillation (Hinton, Vinyals and Dean 2015): `share` of the loss is the distance to a teacher."""

    teacher: nn.Module
    share: float
    temperature: float

    def loss(self, images: Tensor, logits: Tensor) -> Tensor:
        """T^2 KL(teacher || student) at temperature T, the mean over the batch, in nats."""
        with torch.no_grad():
            wanted = self.teacher(images) / self.temperature
        return self.temperature**2 * divergence(logits / self.temperature, wanted)


@dataclass(slots=True)
class Tally:
    """Loss and accuracy of an epoch, summed on the device. torchmetrics takes a third of a millisecond more a step."""

    loss: Tensor | float = 0.0
    correct: Tensor | float = 0.0
    images: int = 0

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean `loss`, `logits` [n, classes] and `labels` [n]."""
        count = len(labels)
        self.loss = self.loss + loss.detach() * count
        self.correct = self.correct + (logits.detach().argmax(1) == labels).sum()
        self.images += count

    def means(self) -> dict[str, Tensor]:
        """Mean `loss` and `accuracy` of all batches since the last call; resets the sums."""
        sums = {"loss": self.loss, "accuracy": self.correct}
        means = {name: torch.as_tensor(value) / self.images for name, value in sums.items()}
        self.loss, self.correct, self.images = 0.0, 0.0, 0
        return means


def rex(done: float) -> float:
    """REX schedule (Chen et al. 2022): the learning rate's factor after the fraction `done` of the steps, 1 to 0."""
    return (1 - done) / (0.5 + 0.5 * (1 - done))


class Classifier(LightningModule):
    """Trains `network` (images [n, channels, rows, columns] -> logits [n, classes]).

    Metrics are logged once per epoch, so no step waits for a value from the device.
    """

    def __init__(self, network: nn.Module, training: Training, distillation: Distillation | None = None) -> None:
        super().__init__()
        self.network = network
        self.distillation = distillation
        self.selectable = True
        """Whether the current epoch may be the best one."""
        self.training_config = training
        self.train_tally, self.val_tally = Tally(), Tally()

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, rows, columns]."""
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss: mean cross-entropy of the batch in nats, mixed with the distillation loss if there is one."""
        logits, loss = self._step(batch, self.train_tally)
        if self.distillation is not None:
            share = self.distillation.share
            loss = (1 - share) * loss + share * self.distillation.loss(batch[0], logits)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Add the batch to the epoch's validation metrics."""
        self._step(batch, self.val_tally)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's training and validation metrics.

        Validation runs after the epoch's last training step.

        Raises:
            TrainingError: if a loss is not finite.
        """
        self._log(self.train_tally, "train")
        self._log(self.val_tally, "val")
        monitored = self.trainer.callback_metrics[self.training_config.monitor]
        self.log(SELECTION, monitored if self.selectable else WORST[self.training_config.monitor], logger=False)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The configured optimiser and learning rate schedule."""
        config = self.training_config
        optimizer = OPTIMIZERS[config.optimizer](
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if config.schedule is Schedule.CONSTANT:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: torch.optim.lr_scheduler.LRScheduler
        if config.schedule is Schedule.REX:
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rex(step / steps))
        else:
            schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1.0 / steps, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _step(self, batch: tuple[Tensor, Tensor], tally: Tally) -> tuple[Tensor, Tensor]:
        images, labels = batch
        logits = self(images)
        loss = functional.cross_entropy(logits, labels)
        tally.add(loss, logits, labels)
        return logits, loss

    def _log(self, tally: Tally, stage: str) -> None:
        values = tally.means()
        if not torch.isfinite(values["loss"]):
            raise TrainingError(
                f"the {stage} loss became {values['loss'].item()} in epoch {self.current_epoch}: "
                f"lower training.learning_rate (now {self.training_config.learning_rate:g})"
            )
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()})
