"""A data set as tensors in memory.

A loader is a function `load(config: prunelab.config.Data) -> Dataset`, named in `conf/data/<name>.yaml`. It reads raw
images and passes them to `prunelab.data.finish.finish`. If it has options of its own, it defines them in a class
`Options` in the same module.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from prunelab.config import Data
from prunelab.errors import ConfigError
from prunelab.plugins import imported
from prunelab.refusals import refusals

EVALUATION_BATCH = 2048
"""Images per batch when a network is evaluated."""
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Normalisation:
    """(value - mean) / std per channel, for values in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply_(self, images: Tensor) -> Tensor:
        """Normalise float32 [n, channels, rows, columns] in place."""
        return images.sub_(_per_channel(self.mean, images)).div_(_per_channel(self.std, images))

    @property
    def black(self) -> tuple[float, ...]:
        """The value of 0 after normalisation, per channel."""
        return tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))


@dataclass(frozen=True, slots=True)
class Split:
    """Images and their labels (int64 [n]).

    `images` are float32 [n, channels, rows, columns], scaled to [0, 1] and normalised. In a large data set they are
    uint8 of the same shape, and `floats` scales (`white` becomes 1) and normalises them when they are read.
    """

    images: Tensor
    labels: Tensor
    white: int = 255
    normalisation: Normalisation | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def floats(self, chosen: slice | Tensor) -> Tensor:
        """The images at a slice or at int64 indices: float32 [k, channels, rows, columns], scaled and normalised.

        A slice of float32 images is a view, not a copy.
        """
        images = self.images[chosen] if isinstance(chosen, slice) else self.images.index_select(0, chosen)
        if images.dtype != torch.uint8:
            return images
        scaled = images.float().div_(self.white)
        return scaled if self.normalisation is None else self.normalisation.apply_(scaled)

    def take(self, count: int) -> Tensor:
        """The first `count` images, or all if there are fewer, as `floats` returns them."""
        return self.floats(slice(0, count))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (images, labels) of `size`, in order; the last may be smaller."""
        for start in range(0, len(self), size):
            chosen = slice(start, start + size)
            yield self.floats(chosen), self.labels[chosen]

    def to(self, device: torch.device) -> Split:
        """The same on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three disjoint splits.

    `shape`: (channels, rows, columns) of an image as the network reads it. `digest`: SHA-256 of the raw data, before
    any conversion. `normalisation`: applied to values in [0, 1], or None; it is stored with every saved network.
    """

    name: str
    source: str
    digest: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    normalisation: Normalisation | None = None

    @property
    def device(self) -> torch.device:
        """The device of the images, on which networks are run too."""
        return self.train.images.device

    def to(self, device: torch.device) -> Dataset:
        """The same on a device."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )


class Options(BaseModel):
    """Base class of a loader's own options. A loader without options uses it as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AnyOptions = TypeVar("AnyOptions", bound=Options)


def load(config: Data) -> Dataset:
    """Load the data set of a configuration.

    Raises:
        ConfigError: if the loader does not exist, or does not accept a key or value.
        DataError: if its files cannot be obtained.
    """
    loader = imported(config.loader, "data.loader")
    own = getattr(sys.modules.get(getattr(loader, "__module__", "")), "Options", Options)
    options_of(config, own)  # checked before the loader downloads anything
    dataset = loader(config)
    assert isinstance(dataset, Dataset)
    return dataset


@cache
def dataset_of(config: Data, device: torch.device = CPU) -> Dataset:
    """The data set on a device; loaded once per process, and moved to each device once."""
    return load(config) if device == CPU else dataset_of(config).to(device)


def options_of(config: Data, model: type[AnyOptions]) -> AnyOptions:
    """The loader's own options, validated.

    Raises:
        ConfigError: naming each invalid key, and what it accepts.
    """
    try:
        return model.model_validate(config.options)
    except ValidationError as error:
        raise ConfigError(refusals(error, model, "data.")) from None


def held_out(images: Tensor, labels: Tensor, config: Data) -> tuple[Split, Split]:
    """Split into (train, validation) by holding out `config.validation` images drawn with `config.split_seed`.

    Raises:
        ConfigError: if no image would be left to train on.
    """
    if config.validation >= len(labels):
        accepted = f"a whole number from 1 to {len(labels) - 1}" if len(labels) > 1 else "none: add images"
        raise ConfigError(
            f"data.validation={config.validation} is refused: {config.name} has {len(labels)} images to train and "
            f"validate on; it accepts {accepted}"
        )
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(config.split_seed))
    validation, train = order[: config.validation], order[config.validation :]
    return (
        Split(images.index_select(0, train), labels[train]),
        Split(images.index_select(0, validation), labels[validation]),
    )


def _per_channel(values: tuple[float, ...], images: Tensor) -> Tensor:
    return torch.tensor(values, dtype=images.dtype, device=images.device).view(-1, 1, 1)
