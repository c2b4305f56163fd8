"""A data set as tensors in memory.

A loader is any function `load(config: prunelab.config.Data) -> Dataset`; a data set is added by writing one and naming
it in `conf/data/<name>.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
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
