"""Weights and filters as RGBA arrays; filters of a convolution as small tiles, removed ones hatched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
INK, OPPOSITE = (40, 135, 208), (224, 107, 20)
"""Blue and orange of medium lightness: both are visible on white and on near-black."""
FAINTEST = 0.3
"""Opacity of the smallest weight."""
HATCH = (128, 128, 128, 150)
GONE = (128, 128, 128, 30)
"""A removed weight of a filter that remains."""
TILE = 24
"""The least pixels a side of a tile; on fewer the hatching cannot be seen."""
GAP = 3
STRIPE = 6
"""Pixels between the stripes of the hatching."""


def signed(weights: NDArray[np.float32]) -> Bytes:
    """Weights [rows, columns] as RGBA: blue above zero, orange below, fainter if smaller, clear where removed."""
    size = np.abs(weights) / (np.abs(weights).max(initial=0) or 1.0)
    alpha = np.where(weights == 0, 0.0, FAINTEST + (1 - FAINTEST) * size)
    colours = np.where((weights > 0)[..., None], np.array(INK), np.array(OPPOSITE))
    return np.dstack([colours, np.round(255 * alpha)]).astype(np.uint8)


def tiles(kernels: NDArray[np.float32]) -> Bytes:
    """A tile for each filter [out, in, rows, columns] in a square grid; hatched if all of its weights are zero.

    Three input channels are drawn as colours around grey; any other number as their mean, blue above zero and orange
    below.
    """
    count, channels, height, width = kernels.shape
    columns = max(1, int(np.ceil(np.sqrt(count))))
    scale = max(1, -(-TILE // max(height, width)))
    pictures = _coloured(kernels) if channels == 3 else _mean(kernels)
    high, wide = height * scale, width * scale
    rows = -(-count // columns)
    sheet = np.zeros((rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, 4), np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        top, left = row * (high + GAP), column * (wide + GAP)
        gone = not kernels[number].any()
        enlarged = np.where(picture[..., 3:] == 0, np.array(GONE), picture).repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[top : top + high, left : left + wide] = _hatched(high, wide) if gone else enlarged
    return sheet


def _mean(kernels: NDArray[np.float32]) -> Bytes:
    """[filters, rows, columns, 4]; a weight is clear where it is removed for all inputs."""
    count, _, height, width = kernels.shape
    means = kernels.mean(axis=1)
    means[(means == 0) & kernels.any(axis=1)] = np.finfo(np.float32).tiny
    return signed(means.reshape(-1, width)).reshape(count, height, width, 4)


def _coloured(kernels: NDArray[np.float32]) -> Bytes:
    """[filters, rows, columns, 4]; grey is zero, and clear is what is removed in all three colours."""
    size = float(np.abs(kernels).max(initial=0)) or 1.0
    colours = np.round(127.5 * (1 + kernels / size)).transpose(0, 2, 3, 1)
    alpha = np.where(kernels.any(axis=1), 255, 0)[..., None]
    return np.concatenate([colours, alpha], axis=-1).astype(np.uint8)


def _hatched(height: int, width: int) -> Bytes:
    """A frame with diagonal stripes."""
    rows, columns = np.indices((height, width))
    stripes = (rows + columns) % STRIPE == 0
    stripes[[0, -1], :] = stripes[:, [0, -1]] = True
    return np.where(stripes[..., None], np.array(HATCH), 0).astype(np.uint8)
