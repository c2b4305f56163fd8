"""Training in which what was removed stays removed."""

from __future__ import annotations

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from prunelab.graph.masks import Mask, apply
from prunelab.training.classifier import Classifier


class KeepZeros(Callback):
    """Sets to zero after every step what the mask removes; Adam's momentum would otherwise revive it."""

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
        """Right after the optimiser's step."""
        assert isinstance(module, Classifier)
        apply(module.network, self.mask)
