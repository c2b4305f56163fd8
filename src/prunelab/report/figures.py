"""Charts drawn with matplotlib, for PNG files; nothing here writes a file."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from prunelab.report.charts import Chart
from prunelab.report.looks import BASELINE_COLOUR

SIZE = (7.2, 4.4)
"""Inches of a figure of one chart."""
ROOMY = 200
"""Axes that span a larger factor have ticks at powers of ten alone."""
TITLE = 40
"""Characters of a line of the title of one of several charts."""
FEW = 6
"""So many lines have their legend inside the axes; more would be covered by it."""


def drawn(charts: Sequence[Chart], caption: str = "", title: str = "") -> Figure:
    """The charts side by side; one legend serves them all."""
    width, height = SIZE
    figure = Figure(figsize=(width if len(charts) == 1 else 0.75 * width * len(charts), height), layout="constrained")
    panels = list(figure.subplots(1, len(charts), squeeze=False).flat)
    for axes, chart in zip(panels, charts, strict=True):
        draw(axes, chart)
    if len(charts[-1].lines) <= FEW:
        panels[-1].legend(frameon=False)
    else:
        panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if caption:
        figure.supxlabel(caption, fontsize="small", color=BASELINE_COLOUR)
    if title:
        figure.suptitle(title)
    return figure


def grid(figure: Figure | SubFigure, charts: Sequence[Chart], rows: int, columns: int) -> None:
    """The charts in rows and columns, each with a legend of its own."""
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels[len(charts) :]:
        axes.set_visible(False)
    for axes, chart in zip(panels, charts, strict=False):
        draw(axes, chart)
        axes.set_title(fill(chart.title, TITLE), fontsize=10)
        axes.legend(frameon=False, fontsize=8)


def draw(axes: Axes, chart: Chart) -> None:
    """A chart without its legend; the level of each unpruned network is dashed, each in another way."""
    for line in chart.lines:
        axes.plot(line.x, line.y, label=line.label or line.name, **line.look)
        if line.band is not None:
            lower, upper = line.band
            around = [*line.x, *line.x[::-1]], [*upper, *lower[::-1]]
            axes.fill(*around, color=line.look["color"], alpha=0.18, linewidth=0)
    for number, (what, level) in enumerate(chart.levels.items()):
        dashes = (0, (4, 2 + 2 * number))
        label = f"{what} ({level:.4f})"
        axes.axhline(level, color=BASELINE_COLOUR, linestyle=dashes, linewidth=1.2, label=label)
    axes.set(title=chart.title, xlabel=chart.x.label, ylabel=chart.y.label)
    for each, letter in ((chart.x, "x"), (chart.y, "y")):
        if each.tick:
            _logarithmic(axes, letter, each.tick)
        elif each.step is not None:
            if each.ends is not None:
                axes.set(**{f"{letter}lim": each.ends})
            axis = axes.xaxis if letter == "x" else axes.yaxis
            axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    plain(axes)


def plain(axes: Axes) -> None:
    """With a faint grid and no frame."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _logarithmic(axes: Axes, letter: str, tick: str) -> None:
    """A tick at each power of ten, and between them where there is room: 1.5×, or of bytes 20 kB."""
    axes.set(**{f"{letter}scale": "log"})
    axis = axes.xaxis if letter == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < ROOMY else (1,)))
    bytes_ = EngFormatter("B")
    axis.set_major_formatter(bytes_ if tick.endswith("B") else FuncFormatter(lambda value, _: tick.format(value)))
    axis.set_minor_formatter(NullFormatter())
