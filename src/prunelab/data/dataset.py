"""A data set as tensors in memory, and the Lightning data module over it.

A loader is any function `load(config: prunelab.config.Data) -> Dataset`; a data set is added by writing one and naming
it in `conf/data/<name>.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

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


class DataModule(LightningDataModule):
    """Batches of a `Dataset`. A whole batch is one indexing of the tensors, not one call per image."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.order = torch.Generator().manual_seed(seed)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Batches of the training images, in an order drawn anew each epoch from the seed."""
        tensors = TensorDataset(self.dataset.train.images, self.dataset.train.labels)
        sampler = BatchSampler(RandomSampler(tensors, generator=self.order), self.batch_size, drop_last=False)
        return DataLoader(tensors, sampler=sampler, batch_size=None)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Batches of the validation images, in order."""
        tensors = TensorDataset(self.dataset.validation.images, self.dataset.validation.labels)
        sampler = BatchSampler(SequentialSampler(tensors), EVALUATION_BATCH, drop_last=False)
        return DataLoader(tensors, sampler=sampler, batch_size=None)
