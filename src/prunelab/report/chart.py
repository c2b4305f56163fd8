"""What a chart shows, apart from how it is drawn.

`charts` builds these from results. `draw_plotly` (the page), `draw_matplotlib` (figures/*.png) and `draw_terminal`
render them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from prunelab.report.looks import Look


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis; with a format for its ticks (`{:g}B`) it is logarithmic.

    `ends` is the range if a `step` between ticks is given, otherwise the widest range that the data may take.
    """

    label: str
    tick: str = ""
    ends: tuple[float, float] | None = None
    step: float | None = None

    def written(self, value: float) -> str:
        """The label of a tick; bytes as `20 kB`."""
        return EngFormatter("B")(value) if self.tick.endswith("B") else self.tick.format(value)


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) in order; a NaN interrupts the line.

    `band`: lower and upper ends of the bars over seeds, one of each per point. `notes`: texts for each point's hover
    label. `label`: replaces the name in the legend of a PNG. `series`: with which series the page hides it, if that is
    not its name.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    look: Look
    band: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    notes: tuple[tuple[str, str], ...] = ()
    label: str = ""
    series: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines, and horizontal reference `levels` (unpruned networks, by label).

    `name` identifies the chart on the page, `alt` is its text for screen readers, `hover` is Plotly's template for a
    point, `legend` says that the page draws a legend inside it.
    """

    name: str
    title: str
    alt: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    hover: str
    levels: Mapping[str, float] = field(default_factory=dict)
    legend: bool = False


@dataclass(frozen=True, slots=True)
class HeatMap:
    """What remains of each layer: `values` [layers, percentages removed], in percent of the layer's units."""

    name: str
    title: str
    alt: str
    layers: tuple[str, ...]
    percentages: tuple[float, ...]
    values: NDArray[np.float64]
