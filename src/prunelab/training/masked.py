"""Training with a fixed mask."""

from __future__ import annotations

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from prunelab.graph.masks import Mask, apply
from prunelab.training.classifier import Classifier


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
