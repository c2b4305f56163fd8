"""A data set as tensors in memory, and the Lightning data module over it.

A loader is any function `load(config: prunelab.config.Data) -> Dataset`; a data set is added by writing one and naming
it in `conf/data/<name>.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from prunelab.config import Data
from prunelab.errors import ConfigError
from prunelab.plugins import imported

EVALUATION_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Split:
    """Images of one split: `images` float32 [n, features] in [0, 1], `labels` int64 [n]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Split:
        """The same on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three splits that share no image. `shape`: (rows, columns) of an image; `digest`: SHA-256 of the raw data."""

    name: str
    source: str
    digest: str
    shape: tuple[int, int]
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def features(self) -> int:
        """Numbers per image."""
        return self.shape[0] * self.shape[1]

    @property
    def device(self) -> torch.device:
        """Where its images are, and with them the networks that see them."""
        return self.train.images.device

    def to(self, device: torch.device) -> Dataset:
        """The same on a device."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )


def load(config: Data) -> Dataset:
    """The data set that a config names.

    Raises:
        ConfigError: if it names a loader that does not exist.
        DataError: if its files cannot be had.
    """
    dataset = imported(config.loader, "data.loader")(config)
    assert isinstance(dataset, Dataset)
    return dataset


def held_out(images: Tensor, labels: Tensor, config: Data) -> tuple[Split, Split]:
    """Split into (train, validation): `config.validation` images drawn with `config.split_seed` are held out.

    Raises:
        ConfigError: if that would leave nothing to train on.
    """
    if config.validation >= len(labels):
        raise ConfigError(
            f"data.validation={config.validation} is refused: {config.name} has {len(labels)} images to train and "
            f"validate on; it accepts a whole number from 1 to {len(labels) - 1}"
        )
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(config.split_seed))
    validation, train = order[: config.validation], order[config.validation :]
    return Split(images[train], labels[train]), Split(images[validation], labels[validation])


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
