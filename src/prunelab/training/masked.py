"""Training in which what was removed stays removed."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from prunelab.network.layers import linear_layers
from prunelab.pruning.masks import LayerMask, apply


class KeepZeros(Callback):
    """Sets to zero after every step what the masks remove; Adam's momentum would otherwise revive it."""

    def __init__(self, masks: Sequence[LayerMask]) -> None:
        self.masks = masks

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Right after the optimiser's step."""
        apply(linear_layers(module), self.masks)
