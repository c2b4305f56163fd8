"""The training and validation images on their way into a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from prunelab.data.dataset import EVALUATION_BATCH, Dataset, Split
from prunelab.training.augment import Augmentation

NOTHING = Augmentation()


class Batches:
    """Batches of a split, each one indexing of its tensors: no call per image, no worker, no copy to a device.

    With `order`, a permutation is drawn from it anew each time; torch's RandomSampler draws two and uses one, and so
    does this, so that a seed means the same order as with that. Only batches in such an order are augmented, from draws
    of their own, so that the order is the same with and without.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        order: torch.Generator | None = None,
        augmentation: Augmentation = NOTHING,
        draws: torch.Generator | None = None,
    ) -> None:
        self.split, self.batch_size, self.order = split, batch_size, order
        self.augmentation, self.draws = augmentation, draws

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.order is None:
            yield from self.split.batches(self.batch_size)
            return
        labels = self.split.labels
        drawn, _ = (torch.randperm(len(labels), generator=self.order) for _ in range(2))
        for chosen in torch.split(drawn.to(labels.device), self.batch_size):
            images = self.split.floats(chosen)
            if self.augmentation and self.draws is not None:
                images = self.augmentation(images, self.draws)
            yield images, labels[chosen]


class DataModule(LightningDataModule):
    """Batches of a `Dataset`; those of the training images moved by up to `shift` pixels, and mirrored with `flip`."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int, shift: int = 0, flip: bool = False) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = torch.Generator().manual_seed(seed)
        black = (0.0,) if dataset.normalisation is None else dataset.normalisation.black
        self.augmentation = Augmentation(shift, flip, black)
        self.draws = self.augmentation.generator(seed)

    def train_dataloader(self) -> Batches:
        """Batches of the training images, in an order drawn anew each epoch from the seed."""
        return Batches(self.dataset.train, self.batch_size, self.order, self.augmentation, self.draws)

    def val_dataloader(self) -> Batches:
        """Batches of the validation images, in order."""
        return Batches(self.dataset.validation, EVALUATION_BATCH)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The whole data set is on its device already."""
        return batch
