"""Fashion-MNIST, read by torchvision from files that were verified first."""

from __future__ import annotations

from torchvision.datasets import FashionMNIST

from prunelab.config import Data
from prunelab.data.dataset import Dataset
from prunelab.data.fetch import FILES, obtain
from prunelab.data.finish import finish
from prunelab.fingerprint import fingerprint


def load(config: Data) -> Dataset:
    """The published 60,000 / 10,000 images, the former split into train and validation.

    Raises:
        DataError: if the four files can be had from nowhere.
    """
    obtain(config.folder / "FashionMNIST" / "raw")
    train = FashionMNIST(str(config.folder), train=True)
    test = FashionMNIST(str(config.folder), train=False)
    return finish(
        config,
        train=(train.data, train.targets),
        test=(test.data, test.targets),
        classes=tuple(train.classes),
        source="Fashion-MNIST",
        digest=fingerprint(FILES),  # a SHA-256 over those of the four files, which were just verified
    )
