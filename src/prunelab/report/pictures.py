"""What was removed, as small PNGs: a layer's weights, the first filters, the input pixels that still matter."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prunelab.network.packed import KeptChannels, Packed
from prunelab.report.tiles import FAINTEST, INK, signed, tiles

BLOCKS = 128
"""The most blocks a side in the picture of a whole matrix."""
DETAIL = 40
"""Rows and columns of the part that is drawn weight by weight."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of the first convolution, [out, in, rows, columns] at the dense network's positions."""

    layer: str
    weights: Floats

    @property
    def left(self) -> int:
        """The number of filters with a weight other than zero."""
        return int(self.weights.any(axis=(1, 2, 3)).sum())


@dataclass(frozen=True, slots=True)
class Picture:
    """One layer of a pruned network.

    `weights` [out, in] at the dense network's positions, zero where removed; for a convolution the L2 norms of its
    `kernels` [out, in, ...]. `inputs` [rows, columns] of the image, if the first layer is linear: how much of each
    pixel is still used, as the sum of that layer's remaining absolute weights. `filters`, if it is a convolution.
    """

    series: str
    percentage: float
    layer: str
    weights: Floats
    inputs: Floats | None = None
    filters: Filters | None = None
    kernels: Floats | None = None

    @property
    def convolution(self) -> bool:
        return self.kernels is not None

    @property
    def kept(self) -> float:
        """The share of the layer's weights that remains, in [0, 1]."""
        return float(((self.weights if self.kernels is None else self.kernels) != 0).mean())

    @property
    def empty_rows(self) -> int:
        """The number of the layer's units without an incoming weight."""
        return int((self.weights == 0).all(axis=1).sum())

    @property
    def empty_columns(self) -> int:
        """The number of units before the layer without an outgoing weight."""
        return int((self.weights == 0).all(axis=0).sum())

    @property
    def unused_pixels(self) -> int:
        return 0 if self.inputs is None else int((self.inputs == 0).sum())


def picture(
    series: str, percentage: float, network: Packed, kept: Sequence[KeptChannels], pruned: Collection[str] = ()
) -> Picture | None:
    """A compacted network at the dense network's positions; None if its tensors do not have the expected shapes.

    Shown is the second hidden layer, or the only one; if the network begins with a convolution, its next convolution
    between channels, or its next linear layer if there is none. A layer in `pruned` is preferred.
    """
    layers = [
        (each.name, dense)
        for name, each in zip(network.weights, kept, strict=False)
        if (dense := _dense(network.arrays.get(name), each)) is not None
    ]
    if not layers or len(layers) != len(network.weights):
        return None
    (first_name, first), later = layers[0], layers[1:-1]
    linear = first.ndim == 2
    if linear:
        choices = later or layers[:1]
    else:
        between = [each for each in later if each[1].ndim > 2 and each[1].shape[1] > 1]
        choices = between or [each for each in later if each[1].ndim == 2] or layers[:1]
    name, shown = min(choices, key=lambda choice: choice[0] not in pruned)
    return Picture(
        series,
        percentage,
        name,
        shown if shown.ndim == 2 else np.sqrt((shown**2).sum(axis=tuple(range(2, shown.ndim)))),
        inputs=_pixels(first, json.loads(network.metadata["shape"])) if linear else None,
        filters=None if linear else Filters(first_name, first.reshape(*first.shape[:2], -1, first.shape[-1])),
        kernels=shown if shown.ndim > 2 else None,
    )


def _dense(weights: Floats | None, kept: KeptChannels) -> Floats | None:
    """A compacted layer's weights [out, in, ...] at the dense network's positions; None if they do not fit.

    Those of a transposed convolution are stored as [in, out, ...].
    """
    left = int(kept.outputs.sum()), int(kept.inputs.sum())
    if weights is None or weights.ndim < 2:
        return None
    if weights.shape[:2] != left:
        weights = weights.swapaxes(0, 1)
    if weights.shape[:2] != left:
        return None
    dense = np.zeros((len(kept.outputs), len(kept.inputs), *weights.shape[2:]), np.float32)
    dense[np.ix_(kept.outputs, kept.inputs)] = weights
    return dense


def _pixels(weights: Floats, shape: Sequence[int]) -> Floats | None:
    """[rows, columns] of an image of `shape` (channels, rows, columns); None if the layer's inputs are no pixels."""
    if weights.shape[1] != np.prod(shape):
        return None
    used: Floats = np.abs(weights).sum(axis=0).reshape(shape).sum(axis=0)
    return used


def matrix_png(picture: Picture) -> str:
    """The whole matrix, each block as opaque as the share of its weights that remains; kernels as their norms."""
    if not picture.convolution:
        return _png(INK, block_means((picture.weights != 0).astype(np.float32)))
    size = block_means(picture.weights)
    size = size / (size.max(initial=0) or 1.0)
    return _png(INK, np.where(size == 0, 0, FAINTEST + (1 - FAINTEST) * size).astype(np.float32))


def detail_png(picture: Picture) -> str:
    """Rows and columns from the middle, weight by weight: blue above zero, orange below, clear where removed."""
    middle = tuple(slice(max(0, (length - DETAIL) // 2), (length + DETAIL) // 2) for length in picture.weights.shape)
    return _data_uri(signed(picture.weights[middle]))


def filters_png(picture: Picture) -> str:
    """The first filters as tiles, removed ones hatched; empty if there are none."""
    return "" if picture.filters is None else _data_uri(tiles(picture.filters.weights))


def pixels_png(picture: Picture, most: float) -> str:
    """The input pixels, each as opaque as its use relative to `most`; empty if there are none."""
    return "" if picture.inputs is None else _png(INK, picture.inputs / (most or 1.0))


def block_means(values: Floats) -> Floats:
    """Means over a grid of at most BLOCKS x BLOCKS equal blocks; blocks at the edges may be smaller."""
    side = max(1, -(-max(values.shape) // BLOCKS))
    rows, columns = (np.arange(0, length, side) for length in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    heights, widths = (
        np.diff(starts, append=length) for starts, length in zip((rows, columns), values.shape, strict=True)
    )
    means: Floats = (sums / np.outer(heights, widths)).astype(np.float32)
    return means


def _png(colour: tuple[int, int, int], alpha: Floats) -> str:
    solid = np.broadcast_to(np.array(colour), (*alpha.shape, 3))
    return _data_uri(np.dstack([solid, np.round(255 * alpha.clip(0, 1))]).astype(np.uint8))


def _data_uri(rgba: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
