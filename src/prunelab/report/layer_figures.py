"""What remains inside the networks, drawn with matplotlib: survivors per layer, pixels in use, filters."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from prunelab.report.charts import LONGEST_NAME, survival
from prunelab.report.figures import grid
from prunelab.report.layers import Survival, shortened
from prunelab.report.pictures import Picture
from prunelab.report.tiles import tiles

ROW = 0.155
"""Inches of a row of a heat map."""
TITLE = 30
"""Characters of a line of the title of a picture."""
READABLE = 0.12
"""Inches that a name needs; where rows are lower, only some are named."""
TALLEST = 30.0
"""Inches of all heat maps together."""


def survivors(layers: Sequence[Survival]) -> Figure:
    """For each series, the share of each layer's units that stays, against the percentage removed.

    Lines for few layers, a heat map for many.
    """
    lines = [each for each in layers if not each.many]
    maps = [each for each in layers if each.many]
    columns = min(len(lines), 3), min(len(maps), 2)
    rows = -(-len(lines) // 3), -(-len(maps) // 2)
    row = min(ROW, TALLEST / max(1, rows[1] * max((len(each.layers) for each in maps), default=1)))
    deepest = max((len(each.layers) for each in maps), default=0)
    heights = (0.4 + 3.4 * rows[0]) * bool(lines), (1.0 + rows[1] * (0.8 + row * deepest)) * bool(maps)
    width = max(0.6 + 3.7 * columns[0], 0.4 + 5.4 * columns[1])
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    upper: Figure | SubFigure = figure
    lower: Figure | SubFigure = figure
    if lines and maps:
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat
    if lines:
        grid(upper, [survival(each, each.series) for each in lines], rows[0], columns[0])
    if maps:
        _maps(lower, maps, rows[1], columns[1], row)
    return figure


def _maps(figure: Figure | SubFigure, layers: Sequence[Survival], rows: int, columns: int, row: float) -> None:
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels[len(layers) :]:
        axes.set_visible(False)
    for axes, each in zip(panels, layers, strict=False):
        image = axes.pcolormesh(each.shares, cmap="viridis", vmin=0, vmax=100, edgecolors="white", linewidth=0.5)
        axes.invert_yaxis()
        for layer, column in np.argwhere(each.shares == 0):
            axes.text(column + 0.5, layer + 0.55, "×", color="white", ha="center", va="center", fontsize=7)
        _name_rows(axes, each.layers, row)
        step = max(1, -(-len(each.percentages) // 12))
        middles = np.arange(0, len(each.percentages), step) + 0.5
        axes.set_xticks(middles, [f"{percentage:g}" for percentage in each.percentages[::step]])
        axes.set_title(each.series, fontsize=10)
        axes.set_xlabel("removed overall (%)")
        axes.spines[:].set_visible(False)
    shown = list(panels[: len(layers)])
    figure.colorbar(image, ax=shown, location="top", label="remaining in the layer (%); ×: none", shrink=0.5, aspect=40)


def _name_rows(axes: Axes, layers: Sequence[str], row: float) -> None:
    step = max(1, int(np.ceil(READABLE / row)))
    middles = np.arange(0, len(layers), step) + 0.5
    axes.set_yticks(middles, [shortened(name, LONGEST_NAME) for name in layers[::step]], fontsize=6.5)
    axes.tick_params(axis="y", length=0)


def pixels(pictures: Sequence[Picture]) -> Figure:
    """For each picture that has them, how much of every input pixel the network still uses."""
    maps = [(picture, picture.inputs) for picture in pictures if picture.inputs is not None]
    figure, panels = _panels(len(maps))
    most = max(float(inputs.max(initial=0)) for _, inputs in maps) or 1.0
    for axes, (picture, inputs) in zip(panels.flat, maps, strict=False):
        image = axes.imshow(inputs, cmap="viridis", vmin=0, vmax=most)
        axes.set_title(f"{_title(picture)}\n{picture.unused_pixels} pixels unused", fontsize=9)
    figure.colorbar(image, ax=panels, label="sum of the remaining |weights| of a pixel", shrink=0.8)
    return figure


def filters(pictures: Sequence[Picture]) -> Figure:
    """For each picture that has them, the kernels of the first convolution; those removed are hatched."""
    tiled = [(picture, picture.filters) for picture in pictures if picture.filters is not None]
    figure, panels = _panels(len(tiled))
    for axes, (picture, kernels) in zip(panels.flat, tiled, strict=False):
        axes.imshow(tiles(kernels.weights))
        left = f"{kernels.left} of {len(kernels.weights)} filters left in {kernels.layer}"
        axes.set_title(f"{_title(picture)}\n{left}", fontsize=9)
    return figure


def _title(picture: Picture) -> str:
    return fill(f"{picture.series}, {picture.percentage:g}%", TITLE)


def _panels(count: int) -> tuple[Figure, Any]:
    """Square panels without axes, four in a row."""
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(1.2 + 2.5 * columns, 0.5 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    return figure, panels
