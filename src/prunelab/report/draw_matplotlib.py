"""Charts as matplotlib figures, for PNG files; nothing here writes a file."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from prunelab.report.chart import Axis, Chart, HeatMap
from prunelab.report.charts import LONGEST_NAME
from prunelab.report.layers import shortened
from prunelab.report.looks import BASELINE_COLOUR

SIZE = (7.2, 4.4)
"""Inches of a figure of one chart."""
SPARSE = 200
"""Logarithmic axes that span a larger factor have ticks at powers of ten alone."""
TITLE = 40
"""Characters in a line of a title above one of several charts."""
FEW = 3
"""Up to this many lines have their legend inside the axes; the legend of more would cover them."""
ROW, READABLE, TALLEST = 0.155, 0.12, 30.0
"""Inches of a heat map's row, of the lowest row in which a name can be read, and of all heat maps together."""
MOST_TICKS = 12


def side_by_side(charts: Sequence[Chart], caption: str = "", title: str = "") -> Figure:
    """The charts in one row with one legend."""
    width, height = SIZE
    figure = Figure(figsize=(width if len(charts) == 1 else 0.75 * width * len(charts), height), layout="constrained")
    panels = list(figure.subplots(1, len(charts), squeeze=False).flat)
    for axes, chart in zip(panels, charts, strict=True):
        _draw(axes, chart)
    if len(charts[-1].lines) <= FEW:
        panels[-1].legend(frameon=False)
    else:
        panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if caption:
        figure.supxlabel(caption, fontsize="small", color=BASELINE_COLOUR)
    if title:
        figure.suptitle(title)
    return figure


def grid(charts: Sequence[Chart | HeatMap]) -> Figure:
    """Charts three in a row, each with a legend of its own, above heat maps two in a row."""
    lines = [chart for chart in charts if isinstance(chart, Chart)]
    maps = [chart for chart in charts if isinstance(chart, HeatMap)]
    columns = min(len(lines), 3), min(len(maps), 2)
    rows = -(-len(lines) // 3), -(-len(maps) // 2)
    deepest = max((len(each.layers) for each in maps), default=0)
    row = min(ROW, TALLEST / max(1, rows[1] * deepest))
    heights = (0.4 + 3.4 * rows[0]) * bool(lines), (1.0 + rows[1] * (0.8 + row * deepest)) * bool(maps)
    width = max(0.6 + 3.7 * columns[0], 0.4 + 5.4 * columns[1])
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    upper: Figure | SubFigure = figure
    lower: Figure | SubFigure = figure
    if lines and maps:
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat
    for axes, chart in zip(panels(upper, len(lines), rows[0], columns[0]), lines, strict=True):
        _draw(axes, chart)
        axes.set_title(fill(chart.title, TITLE), fontsize=10)
        axes.legend(frameon=False, fontsize=8)
    if maps:
        shown = panels(lower, len(maps), rows[1], columns[1])
        for axes, each in zip(shown, maps, strict=True):
            _draw_map(axes, each, row)
        label = "remaining in the layer (%); ×: none"
        lower.colorbar(shown[0].collections[0], ax=shown, location="top", label=label, shrink=0.5, aspect=40)
    return figure


def panels(figure: Figure | SubFigure, count: int, rows: int, columns: int) -> list[Axes]:
    """The first `count` axes of a grid of rows and columns; the others are hidden."""
    every = list(figure.subplots(rows, columns, squeeze=False).flat) if count else []
    for axes in every[count:]:
        axes.set_visible(False)
    return every[:count]


def _draw(axes: Axes, chart: Chart) -> None:
    """A chart without its legend; the level of each unpruned network is dashed in a way of its own."""
    for line in chart.lines:
        axes.plot(line.x, line.y, label=line.label or line.name, **line.look)
        if line.band is not None:
            lower, upper = line.band
            around = [*line.x, *line.x[::-1]], [*upper, *lower[::-1]]
            axes.fill(*around, color=line.look["color"], alpha=0.18, linewidth=0)
    for number, (label, level) in enumerate(chart.levels.items()):
        dashes = (0, (4, 2 + 2 * number))
        axes.axhline(level, color=BASELINE_COLOUR, linestyle=dashes, linewidth=1.2, label=f"{label} ({level:.4f})")
    axes.set(title=chart.title, xlabel=chart.x.label, ylabel=chart.y.label)
    _scale(axes, "x", chart.x)
    _scale(axes, "y", chart.y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _scale(axes: Axes, letter: str, wanted: Axis) -> None:
    """Range and ticks of the x or y axis; logarithmic ones are labelled 1.5×, or 20 kB for bytes."""
    axis = axes.xaxis if letter == "x" else axes.yaxis
    if wanted.tick:
        axes.set(**{f"{letter}scale": "log"})
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < SPARSE else (1,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: wanted.written(value)))
        axis.set_minor_formatter(NullFormatter())
    elif wanted.step is not None:
        if wanted.ends is not None:
            axes.set(**{f"{letter}lim": wanted.ends})
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_map(axes: Axes, chart: HeatMap, row: float) -> None:
    """A heat map whose rows are `row` inches high; where that is too low to read, only some rows are named."""
    axes.pcolormesh(chart.values, cmap="viridis", vmin=0, vmax=100, edgecolors="white", linewidth=0.5)
    axes.invert_yaxis()
    for layer, column in np.argwhere(chart.values == 0):
        axes.text(column + 0.5, layer + 0.55, "×", color="white", ha="center", va="center", fontsize=7)
    step = max(1, int(np.ceil(READABLE / row)))
    labels = [shortened(name, LONGEST_NAME) for name in chart.layers[::step]]
    axes.set_yticks(np.arange(0, len(chart.layers), step) + 0.5, labels, fontsize=6.5)
    axes.tick_params(axis="y", length=0)
    step = max(1, -(-len(chart.percentages) // MOST_TICKS))
    labels = [f"{percentage:g}" for percentage in chart.percentages[::step]]
    axes.set_xticks(np.arange(0, len(chart.percentages), step) + 0.5, labels)
    axes.set_title(chart.title, fontsize=10)
    axes.set_xlabel("removed overall (%)")
    axes.spines[:].set_visible(False)
