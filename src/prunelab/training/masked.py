"""Training with a mask that stays as it is, or shrinks."""

from __future__ import annotations

from collections.abc import Mapping

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from prunelab.graph.masks import Mask, apply
from prunelab.pruning.schedule import Cubic
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


class Ramp(KeepZeros):
    """Removes the smallest weights of each parameter in `RAMP_STEPS` steps, until `left` (by name) of them are left.

    `mask`: what is left at the beginning. Only epochs after the last of the steps can be chosen as the best one.
    """

    def __init__(self, mask: Mask, left: Mapping[str, int], ramp: float) -> None:
        super().__init__(mask)
        self.before = {name: int(each.sum()) for name, each in mask.items()}
        self.left, self.schedule = left, Cubic(RAMP_STEPS, ramp)
        self.step = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Exclude the epochs before the last step from the choice of the best one."""
        assert isinstance(module, Classifier)
        module.selectable = False

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Remove weights when the next step is due."""
        assert isinstance(module, Classifier)
        due = self.schedule.due(trainer.global_step, int(trainer.estimated_stepping_batches))
        if due == self.step:
            return
        self.step, share = due, self.schedule.percentage(due, 100) / 100
        weights = dict(module.network.named_parameters())
        self.mask = {
            name: largest(weights[name], each, round(self.before[name] + (self.left[name] - self.before[name]) * share))
            for name, each in self.mask.items()
        }
        module.selectable = due == self.schedule.steps
        apply(module.network, self.mask)


def largest(weight: Tensor, among: Tensor, count: int) -> Tensor:
    """A bool tensor of the weight's shape: the `count` weights of largest magnitude of those in `among`, also bool.

    Of equal ones, the first.
    """
    places = among.flatten().nonzero().squeeze(1)
    order = weight.detach().flatten()[places].abs().argsort(descending=True, stable=True)
    stays = torch.zeros_like(among).flatten()
    stays[places[order[:count]]] = True
    return stays.view_as(among)
