"""scikit-learn's handwritten digits: real 8x8 images that need no download."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from sklearn.datasets import load_digits

from prunelab.config import Data
from prunelab.data.dataset import Dataset
from prunelab.data.finish import finish

TEST = 360
"""Test images, the last ones."""
WHITE = 16
"""The largest value."""


def load(config: Data) -> Dataset:
    """1,797 images, values 0 to 16 scaled to [0, 1]. The last 360, by other writers, are the test set."""
    raw = load_digits()
    images = torch.from_numpy(raw.images.astype(np.uint8))
    labels = torch.from_numpy(raw.target.astype(np.int64))
    return finish(
        config,
        train=(images[:-TEST], labels[:-TEST]),
        test=(images[-TEST:], labels[-TEST:]),
        classes=tuple(str(digit) for digit in range(10)),
        source="scikit-learn load_digits",
        digest=hashlib.sha256(np.ascontiguousarray(raw.data).tobytes() + raw.target.tobytes()).hexdigest(),
        white=WHITE,
    )
