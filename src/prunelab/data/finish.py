"""Turn raw images into a `Dataset`: convert channels, hold out validation images, scale, normalise. For all loaders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from prunelab.config import Data
from prunelab.data.dataset import Dataset, Normalisation, Split, held_out
from prunelab.errors import ConfigError, DataError

FLOAT_BYTES = 2**30
"""A data set larger than this as float32 is kept as uint8 and converted batch by batch."""
AT_ONCE = 4096
"""Images converted at a time, to limit the memory of intermediate results."""
LUMA = (19595, 38470, 7471)
"""ITU-R BT.601 luma: 0.299 red, 0.587 green, 0.114 blue, in units of 1/65536, as in Pillow."""

Raw = tuple[Tensor, Tensor]
"""Images, uint8 [n, channels, rows, columns] or [n, rows, columns] (grey), and their labels, int64 [n]."""


def finish(
    config: Data,
    train: Raw,
    test: Raw,
    classes: tuple[str, ...],
    source: str,
    digest: str | None = None,
    white: int = 255,
) -> Dataset:
    """Make a data set from the images that a loader has read; `train` is split into train and validation.

    `digest`: SHA-256 of the raw data, if the loader knows it already. `white`: the largest value, which becomes 1.

    Raises:
        ConfigError: if `config.validation`, `channels`, `mean` or `std` do not fit the images.
        DataError: if images and labels do not match.
    """
    train, test = (_checked(raw, config.name, len(classes)) for raw in (train, test))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"{config.name}: training images are {tuple(train[0].shape[1:])}, test images {tuple(test[0].shape[1:])}"
        )
    digest = digest or content_digest(*train, *test)
    train, test = ((_with_channels(images, config), labels) for images, labels in (train, test))
    channels, rows, columns = train[0].shape[1:]
    normalisation = _normalisation(config, channels)
    splits = (*held_out(*train, config), Split(*test))
    size = 4 * sum(split.images.numel() for split in splits)
    finished = tuple(
        _finished(Split(split.images, split.labels, white, normalisation), as_float=size <= FLOAT_BYTES)
        for split in splits
    )
    return Dataset(
        name=config.name,
        source=source,
        digest=digest,
        shape=(channels, rows, columns),
        classes=classes,
        train=finished[0],
        validation=finished[1],
        test=finished[2],
        normalisation=normalisation,
    )


def content_digest(*tensors: Tensor) -> str:
    """SHA-256 of the shapes, types and values of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype};".encode())
        for chosen in _parts(len(tensor)):
            digest.update(tensor[chosen].flatten().numpy().data)
    return digest.hexdigest()


def luma(images: Tensor) -> Tensor:
    """Convert colour to grey: uint8 [n, 3, rows, columns] -> uint8 [n, 1, rows, columns]."""
    red, green, blue = images.int().unbind(1)
    weighted = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return (weighted + 0x8000).bitwise_right_shift_(16).to(torch.uint8).unsqueeze(1)


def _checked(raw: Raw, name: str, classes: int) -> Raw:
    images, labels = raw
    if images.ndim == 3:
        images = images.unsqueeze(1)
    if images.dtype != torch.uint8 or images.ndim != 4 or labels.dtype != torch.int64:
        raise DataError(
            f"{name}: its loader gave images {images.dtype} {tuple(images.shape)} and labels {labels.dtype}; expected "
            "uint8 [n, channels, rows, columns] and int64"
        )
    if len(images) != len(labels) or not len(labels):
        raise DataError(
            f"{name}: its loader gave {len(images)} images and {len(labels)} labels; expected as many of both, and some"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"{name}: labels from {int(labels.min())} to {int(labels.max())} do not fit its {classes} classes"
        )
    return images, labels


def _with_channels(images: Tensor, config: Data) -> Tensor:
    """The images with `config.channels` channels."""
    found, wanted = images.shape[1], config.channels
    if wanted is None or wanted == found:
        return images
    if (found, wanted) == (1, 3):
        return images.expand(-1, 3, -1, -1)  # a view: it takes no memory until images are selected
    if (found, wanted) == (3, 1):
        return torch.cat([luma(images[chosen]) for chosen in _parts(len(images))])
    raise ConfigError(
        f"data.channels={wanted} is refused: {config.name} has {found} channels, and only 1 (grey) and 3 (colour) "
        "convert to each other; it accepts null"
    )


def _normalisation(config: Data, channels: int) -> Normalisation | None:
    if config.mean is None or config.std is None:
        return None
    if len(config.mean) != channels:
        raise ConfigError(
            f"data.mean={list(config.mean)} is refused: images of {config.name} have {channels} "
            f"channel{'s' * (channels > 1)}; data.mean and data.std accept a list of {channels}, or null"
        )
    return Normalisation(config.mean, config.std)


def _finished(split: Split, as_float: bool) -> Split:
    """The split as it is kept: converted to float32, or as uint8 with the scale and normalisation to apply later."""
    if not as_float:
        return Split(split.images.contiguous(), split.labels, split.white, split.normalisation)
    return Split(split.take(len(split)), split.labels)


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + AT_ONCE) for start in range(0, count, AT_ONCE))
