"""Batches of training and validation images."""

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
    """Batches of a split, each made by one indexing operation: no call per image, no worker, no copy to a device.

    `order`: if given, a new permutation is drawn from it for each epoch. (Like torch's RandomSampler, it draws two and
    uses the first, so a seed gives the same order as with that.)
    `draws`: the random stream of `augmentation`, separate from `order`. Only batches in random order are augmented.
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
    """Batches of a `Dataset`; training images are shifted by up to `shift` pixels and, with `flip`, mirrored."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int, shift: int = 0, flip: bool = False) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = torch.Generator().manual_seed(seed)
        black = (0.0,) if dataset.normalisation is None else dataset.normalisation.black
        self.augmentation = Augmentation(shift, flip, black)
        self.draws = self.augmentation.generator(seed)

    def train_dataloader(self) -> Batches:
        """Batches of the training images, in a new random order each epoch."""
        return Batches(self.dataset.train, self.batch_size, self.order, self.augmentation, self.draws)

    def val_dataloader(self) -> Batches:
        """Batches of the validation images, in order."""
        return Batches(self.dataset.validation, EVALUATION_BATCH)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Nothing to do: the whole data set is on its device already."""
        return batch
