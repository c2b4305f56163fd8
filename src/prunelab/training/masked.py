"""Training with a mask that stays as it is, or shrinks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from torch import nn

from prunelab.graph.masks import Mask, apply
from prunelab.pruning.schedule import Cubic
from prunelab.pruning.selection import largest
from prunelab.training.classifier import Classifier

RAMP_STEPS = 20


class KeepZeros(Callback):
    """Sets masked weights to zero after every step; otherwise Adam's momentum would revive them."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Apply the mask after the optimiser's step."""
        assert isinstance(module, Classifier)
        apply(module.network, self.mask)


class Gradual(KeepZeros, ABC):
    """Masks more at each step of a schedule. Only epochs after the last step can be chosen as the best one."""

    def __init__(self, mask: Mask, schedule: Cubic) -> None:
        super().__init__(mask)
        self.schedule = schedule
        self.step = 0

    @abstractmethod
    def masked_at(self, network: nn.Module, step: int) -> Mask:
        """The mask of the network, which is in training mode, from a step of the schedule on."""

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Exclude the epochs before the last step from the choice of the best one."""
        assert isinstance(module, Classifier)
        module.selectable = False

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Mask more when the next step is due."""
        assert isinstance(module, Classifier)
        due = self.schedule.due(trainer.global_step, int(trainer.estimated_stepping_batches))
        if due == self.step:
            return
        self.step = due
        self.mask = self.masked_at(module.network, due)
        module.selectable = due == self.schedule.steps
        apply(module.network, self.mask)


class Ramp(Gradual):
    """Removes the smallest weights of each parameter in `RAMP_STEPS` steps, until `left` (by name) of them are left.

    `mask`: what is left at the beginning.
    """

    def __init__(self, mask: Mask, left: Mapping[str, int], ramp: float) -> None:
        super().__init__(mask, Cubic(RAMP_STEPS, ramp))
        self.before = {name: int(each.sum()) for name, each in mask.items()}
        self.left = left

    def masked_at(self, network: nn.Module, step: int) -> Mask:
        """The largest of the weights that are left."""
        share = self.schedule.percentage(step, 100) / 100
        weights = dict(network.named_parameters())
        return {
            name: largest(weights[name], each, round(self.before[name] + (self.left[name] - self.before[name]) * share))
            for name, each in self.mask.items()
        }
