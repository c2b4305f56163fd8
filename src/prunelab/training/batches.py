"""The training and validation images on their way into a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from prunelab.data.dataset import EVALUATION_BATCH, Dataset, Split


class Batches:
    """Batches of a split, each one indexing of its tensors: no call per image, no worker, no copy to a device.

    With `order`, a permutation is drawn from it anew each time; torch's RandomSampler draws two and uses one, and so
    does this, so that a seed means the same order as with that.
    """

    def __init__(self, split: Split, batch_size: int, order: torch.Generator | None = None) -> None:
        self.split, self.batch_size, self.order = split, batch_size, order

    def __len__(self) -> int:
        return -(-len(self.split) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self.split.images, self.split.labels
        if self.order is None:
            yield from zip(torch.split(images, self.batch_size), torch.split(labels, self.batch_size), strict=True)
            return
        drawn, _ = (torch.randperm(len(labels), generator=self.order) for _ in range(2))
        for chosen in torch.split(drawn.to(labels.device), self.batch_size):
            yield images[chosen], labels[chosen]


class DataModule(LightningDataModule):
    """Batches of a `Dataset`."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = torch.Generator().manual_seed(seed)

    def train_dataloader(self) -> Batches:
        """Batches of the training images, in an order drawn anew each epoch from the seed."""
        return Batches(self.dataset.train, self.batch_size, self.order)

    def val_dataloader(self) -> Batches:
        """Batches of the validation images, in order."""
        return Batches(self.dataset.validation, EVALUATION_BATCH)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The whole data set is on its device already."""
        return batch
