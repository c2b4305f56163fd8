"""Fashion-MNIST, read by torchvision from verified files."""

from __future__ import annotations

from torchvision.datasets import FashionMNIST

from prunelab.config import Data
from prunelab.data.dataset import Dataset
from prunelab.data.fetch import FILES, obtain
from prunelab.data.finish import finish
from prunelab.fingerprint import fingerprint


def load(config: Data) -> Dataset:
    """The published 60,000 training images, split into train and validation, and 10,000 test images.

    Raises:
        DataError: if no source has the four files.
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
        digest=fingerprint(FILES),  # the SHA-256 of the four files' SHA-256, which have just been verified
    )
