"""Fashion-MNIST, read by torchvision from files that were verified first."""

from __future__ import annotations

import torch
from torchvision.datasets import FashionMNIST

from prunelab.config import Data, fingerprint
from prunelab.data.dataset import Dataset, Split, held_out
from prunelab.data.fetch import FILES, obtain


def load(config: Data) -> Dataset:
    """The published 60,000 / 10,000 images scaled to [0, 1], the former split into train and validation.

    Raises:
        DataError: if the four files can be had from nowhere.
    """
    obtain(config.folder / "FashionMNIST" / "raw")
    published = FashionMNIST(str(config.folder), train=True)
    held_back = FashionMNIST(str(config.folder), train=False)
    train, validation = held_out(_scaled(published.data), published.targets, config)
    return Dataset(
        name=config.name,
        source="Fashion-MNIST",
        digest=fingerprint(FILES),
        shape=(28, 28),
        classes=tuple(published.classes),
        train=train,
        validation=validation,
        test=Split(_scaled(held_back.data), held_back.targets),
    )


def _scaled(images: torch.Tensor) -> torch.Tensor:
    return images.flatten(1).float().div_(255)
