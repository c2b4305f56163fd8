"""scikit-learn's handwritten digits: real images, 8x8, in no need of a download."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from sklearn.datasets import load_digits

from prunelab.config import Data
from prunelab.data.dataset import Dataset, Split, held_out

TEST = 360


def load(config: Data) -> Dataset:
    """1,797 images with values 0 to 16 scaled to [0, 1]; the last 360 (other writers, as published) only ever test."""
    raw = load_digits()
    digest = hashlib.sha256(np.ascontiguousarray(raw.data).tobytes() + raw.target.tobytes()).hexdigest()
    images = torch.from_numpy(raw.data.astype(np.float32) / 16)
    labels = torch.from_numpy(raw.target.astype(np.int64))
    train, validation = held_out(images[:-TEST], labels[:-TEST], config)
    return Dataset(
        name=config.name,
        source="scikit-learn load_digits",
        digest=digest,
        shape=(8, 8),
        classes=tuple(str(digit) for digit in range(10)),
        train=train,
        validation=validation,
        test=Split(images[-TEST:], labels[-TEST:]),
    )
