"""What was removed, as pictures: a layer's weight matrix and the input pixels that still matter (small PNGs)."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prunelab.network.packed import KeptChannels, Packed

BLOCKS = 128
"""A matrix is drawn with at most so many blocks a side."""
DETAIL = 40
"""Rows and columns of the part that is drawn weight by weight."""
INK = (40, 135, 208)
OPPOSITE = (224, 107, 20)
"""Blue and orange of a middle lightness: both are seen on white and on near-black."""
FAINTEST = 0.3

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Picture:
    """One hidden layer of a pruned network.

    `weights` are [out, in] in the dense network's positions, zero where removed. `inputs` are [rows, columns] of the
    image: how much of each pixel is still used, the sum of the first layer's remaining absolute weights.
    """

    series: str
    percentage: float
    layer: int
    weights: Floats
    inputs: Floats

    @property
    def kept(self) -> float:
        """Share of the layer's weights that stay."""
        return float((self.weights != 0).mean())

    @property
    def empty_rows(self) -> int:
        """Neurons of the layer that no weight enters."""
        return int((self.weights == 0).all(axis=1).sum())

    @property
    def empty_columns(self) -> int:
        """Neurons before the layer from which no weight of it comes."""
        return int((self.weights == 0).all(axis=0).sum())

    @property
    def unused_pixels(self) -> int:
        return int((self.inputs == 0).sum())


def picture(series: str, percentage: float, network: Packed, kept: Sequence[KeptChannels]) -> Picture:
    """Of a compacted network: its second hidden layer, or the only one, in the dense network's positions."""
    first, second = (network.arrays[name] for name in network.weights[:2])
    inputs = np.abs(first).sum(0).reshape(json.loads(network.metadata["shape"])[1:])
    shown, which = (first, 0) if len(kept) == 2 else (second, 1)
    weights = np.zeros((len(kept[which].outputs), len(kept[which].inputs)), np.float32)
    weights[np.ix_(kept[which].outputs, kept[which].inputs)] = shown
    return Picture(series, percentage, which + 1, weights, inputs)


def matrix(picture: Picture) -> str:
    """The whole matrix: each block as opaque as the share of its weights that stay."""
    return _png(INK, kept_per_block(picture.weights != 0))


def detail(picture: Picture) -> str:
    """Rows and columns from the middle, weight by weight: blue above zero, orange below, clear where removed."""
    middle = tuple(slice(max(0, (length - DETAIL) // 2), (length + DETAIL) // 2) for length in picture.weights.shape)
    weights = picture.weights[middle]
    size = np.abs(weights) / (np.abs(weights).max() or 1.0)
    alpha = np.where(weights == 0, 0.0, FAINTEST + (1 - FAINTEST) * size)
    colours = np.where((weights > 0)[..., None], np.array(INK), np.array(OPPOSITE))
    return _data_uri(np.dstack([colours, np.round(255 * alpha)]).astype(np.uint8))


def pixels(picture: Picture, most: float) -> str:
    """The image's pixels, each as opaque as it is used, beside a pixel that is used `most`."""
    return _png(INK, picture.inputs / (most or 1.0))


def kept_per_block(kept: NDArray[np.bool_]) -> Floats:
    """Shares of what is kept in a grid of at most BLOCKS x BLOCKS equal blocks; blocks at the edges may be smaller."""
    side = max(1, -(-max(kept.shape) // BLOCKS))
    rows, columns = (np.arange(0, length, side) for length in kept.shape)
    sums = np.add.reduceat(np.add.reduceat(kept.astype(np.float32), rows, axis=0), columns, axis=1)
    heights, widths = (
        np.diff(starts, append=length) for starts, length in zip((rows, columns), kept.shape, strict=True)
    )
    shares: Floats = (sums / np.outer(heights, widths)).astype(np.float32)
    return shares


def _png(colour: tuple[int, int, int], alpha: Floats) -> str:
    solid = np.broadcast_to(np.array(colour), (*alpha.shape, 3))
    return _data_uri(np.dstack([solid, np.round(255 * alpha.clip(0, 1))]).astype(np.uint8))


def _data_uri(rgba: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
