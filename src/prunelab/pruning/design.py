"""A layer as a linear regression: its inputs as a design matrix, its weight as a matrix.

A row holds the inputs of one output value: the features of an image for a linear layer, the window of an image at one
position for a convolution (as in `unfold`). If there are many rows, a random sample of them is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from prunelab.errors import PrunelabError
from prunelab.graph.graph import Graph, Layer
from prunelab.graph.watch import Call

ROWS = 16_384
"""Largest number of rows used of a layer; least squares can be given another one."""


def row_count(call: Call) -> int:
    """The number of rows of a call: the values of one output channel over all images."""
    given, layer = call.given, call.layer
    if layer.kind == "linear":
        return prod(given.shape[:-1])
    if layer.kind == "transposed":
        return given.numel() // given.shape[1]
    windows = _windows(given[:1], call.geometry)
    return len(given) * prod(windows.shape[2 : windows.dim() // 2 + 1])


def sampled(count: int, seed: int, rows: int = ROWS) -> Tensor:
    """The rows to use out of `count`, int64 in ascending order: all, or so many of them drawn with `seed`."""
    if count <= rows:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:rows].sort().values


def rows_of(output: Tensor, layer: Layer) -> Tensor:
    """A layer's output (or input) with one row per image and position: [rows, channels]."""
    values = channels_last(output, layer)
    return values.reshape(-1, values.shape[-1])


def channels_last(output: Tensor, layer: Layer) -> Tensor:
    """A view of a layer's output (or input) with its channels as the last dimension."""
    return output if layer.kind == "linear" else output.movedim(1, -1)


def design(call: Call, rows: Tensor) -> list[Tensor]:
    """For each group of the layer, the selected rows of its input: float32 [rows, in x kernel].

    Raises:
        PrunelabError: for a transposed convolution.
    """
    layer = call.layer
    if layer.kind == "linear":
        return [_picked(call.given.reshape(-1, call.given.shape[-1]), rows)]
    if layer.kind == "transposed":
        raise PrunelabError(
            f"layer {layer.name} is a transposed convolution: its inputs cannot be unfolded; exclude it"
        )
    windows = _windows(call.given, call.geometry)
    spatial = windows.dim() // 2 - 1
    outside = [windows.shape[0], *windows.shape[2 : 2 + spatial]]
    places = torch.unravel_index(rows.to(windows.device), outside)
    where: tuple[Any, ...] = (places[0], slice(None), *places[1:])
    chosen = windows[where]  # [rows, in, *kernel]
    return [part.flatten(1) for part in chosen.chunk(layer.groups, 1)]


def matrices(weight: Tensor, layer: Layer) -> list[Tensor]:
    """For each group of the layer, its weight (or a tensor of that shape) as [out, in x kernel]. These are views."""
    if layer.outputs_dim == 1:
        return [weight.T]
    return [part.flatten(1) for part in weight.chunk(layer.groups)]


def column_units(graph: Graph, layer: Layer) -> Tensor:
    """The unit of each column of the layer's weight as a matrix (`matrices`), int64 [in x kernel]."""
    return graph.inputs_of(layer).repeat_interleave(prod(graph.shapes[layer.weight][2:]))


def _picked(given: Tensor, rows: Tensor) -> Tensor:
    return given if len(rows) == len(given) else given[rows.to(given.device)]


def _windows(given: Tensor, geometry: Mapping[str, Any]) -> Tensor:
    """All windows of a convolution, as a view: [n, in, *positions, *kernel]."""
    kernel = geometry["weight"].shape[2:]
    spatial = len(kernel)
    stride, dilation = (_each(geometry.get(key, 1), spatial) for key in ("stride", "dilation"))
    given = functional.pad(given, _padding(geometry.get("padding", 0), kernel, dilation))
    for dim in range(spatial):
        given = given.unfold(2 + dim, (kernel[dim] - 1) * dilation[dim] + 1, stride[dim])
    for dim in range(spatial):
        where: tuple[Any, ...] = (..., slice(None, None, dilation[dim]), *(slice(None),) * (spatial - dim - 1))
        given = given[where]
    return given


def _padding(padding: Any, kernel: torch.Size, dilation: list[int]) -> list[int]:
    """The convolution's padding as `functional.pad` expects it, last dimension first."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [side for whole in reversed(total) for side in (whole // 2, whole - whole // 2)]
    return [side for each in reversed(_each(padding, len(kernel))) for side in (each, each)]


def _each(value: Any, count: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * count if len(values) == 1 else values
