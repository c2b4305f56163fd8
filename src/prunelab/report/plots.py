"""Charts as the plain dictionaries that Plotly.js draws on the page.

Colours are those for a light background; the page puts `ON_DARK`'s in their place where the reader's is dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from prunelab.report.charts import Axis, Chart, Line
from prunelab.report.looks import BASELINE_COLOUR, DASHES, NO_LINE, PALETTE, RING, STEPS

MOST = len(PALETTE) * len(DASHES)
"""So many lines can be told apart; more are not drawn."""
SYMBOLS = {
    **{"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down"},
    **{"P": "cross", "X": "x", "<": "triangle-left", RING: "circle-open"},
}
DASH_NAMES = dict(zip(DASHES, ("solid", "dash", "dot"), strict=True))
FEW = 6
"""Up to so many series have strong bands."""
CLOSE = 0.05
"""Words at levels nearer than this share of the axis would cover each other."""
BESIDE = 3
"""So many of them fit: one below its line, the others above theirs, side by side."""

Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its name in the page, its title, what a reader who cannot see it is told, and what Plotly draws."""

    name: str
    title: str
    says: str
    data: list[Trace]
    layout: dict[str, Any] = field(default_factory=dict)


def plot(chart: Chart, legend: bool = False) -> Plot:
    """A chart for the page, with a legend of its own where the page has no key for it."""
    bands = [_band(line, len(chart.lines)) for line in chart.lines if line.band is not None]
    lines = [_line(line, chart.hover) for line in chart.lines]
    x = [value for line in chart.lines for value in line.x]
    y = [*chart.levels.values(), *(value for line in chart.lines for value in line.y)]
    layout = {"xaxis": _axis(chart.x, x), "yaxis": _axis(chart.y, y), "showlegend": legend, **_levels(chart.levels, y)}
    return Plot(chart.name, chart.title, chart.says, [*bands, *lines, *map(_mark, chart.marks)], layout)


def numbers(values: Iterable[float]) -> list[float | None]:
    """Six digits, more than a plot can show; JSON knows no NaN."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def _line(line: Line, hover: str) -> Trace:
    colour, size = line.look["color"], line.look["markersize"]
    marked = line.look.get("marker") is not None
    mode = ["lines"] * (line.look["linestyle"] != NO_LINE) + ["markers"] * marked
    return {
        "type": "scatter",
        "mode": "+".join(mode),
        "name": escape(line.name),
        "meta": line.name,
        "legendgroup": line.name,
        "x": numbers(line.x),
        "y": numbers(line.y),
        "customdata": [list(map(escape, notes)) for notes in line.notes],
        "line": {
            "color": colour,
            "width": 2 if marked else 1.2,
            "dash": DASH_NAMES.get(line.look["linestyle"], "solid"),
            "shape": "hv" if line.look.get("drawstyle") == STEPS else "linear",
        },
        "marker": {"color": colour, "size": size + 2.5, "symbol": SYMBOLS.get(str(line.look.get("marker")), "circle")},
        "hovertemplate": f"{hover}<extra></extra>",
    }


def _band(line: Line, lines: int) -> Trace:
    assert line.band is not None
    lower, upper = line.band
    return {
        **{"type": "scatter", "mode": "lines", "meta": line.name, "legendgroup": line.name, "showlegend": False},
        "x": numbers([*line.x, *line.x[::-1]]),
        "y": numbers([*upper, *lower[::-1]]),
        "fill": "toself",
        "fillcolor": line.look["color"],
        "opacity": 0.14 if lines <= FEW else 0.08,
        "line": {"width": 0, "color": line.look["color"]},
        "hoverinfo": "skip",
    }


def _mark(line: Line) -> Trace:
    """The published report's values, as open markers."""
    symbol = f"{SYMBOLS[line.look['marker']]}-open"
    return {
        **{"type": "scatter", "mode": "markers", "name": f"{escape(line.name)}, as published", "meta": line.name},
        "x": numbers(line.x),
        "y": numbers(line.y),
        "marker": {"color": line.look["color"], "size": 11, "symbol": symbol, "line": {"width": 1.5}},
        "hovertemplate": "<b>%{fullData.name}</b><br>%{y:.4f}<br>%{x:~g}% removed<extra></extra>",
    }


def _levels(levels: Mapping[str, float], everything: Iterable[float]) -> dict[str, Any]:
    """A dashed line, with its value, for each unpruned network; words of close ones keep apart."""
    shapes: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    finite = [value for value in everything if math.isfinite(value)]
    near, beside, before = CLOSE * (max(finite, default=0) - min(finite, default=0)), 0, -math.inf
    for what, level in sorted(levels.items(), key=lambda each: (each[1], each[0])):
        beside = (beside + 1) % BESIDE if level - before < near else 0
        if beside == 1:
            words[-1]["yanchor"] = "top"
        before = level
        place = {"xref": "paper", "yref": "y"}
        line = {"color": BASELINE_COLOUR, "width": 1.4, "dash": "dash"}
        shapes.append({"type": "line", **place, "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line})
        corner = {"x": 1 - max(0, beside - 1) / 2, "xanchor": "right", "yanchor": "bottom", "showarrow": False}
        font = {"size": 11, "color": BASELINE_COLOUR}
        words.append({**place, **corner, "y": level, "text": f"{escape(what)} {level:.4f}", "font": font})
    return {"shapes": shapes, "annotations": words}


def _axis(axis: Axis, values: Iterable[float]) -> dict[str, Any]:
    """An axis; ends bound what is found by itself, or are the range where the ticks' step is given."""
    made: dict[str, Any] = {"title": {"text": axis.label}}
    if axis.tick:
        return made | _logarithmic(values, axis.tick)
    if axis.ends is not None and axis.step is not None:
        made["range"] = list(axis.ends)
    elif axis.ends is not None:  # a single point would stretch it
        made |= {"minallowed": axis.ends[0], "maxallowed": axis.ends[1]}
    return made if axis.step is None else {**made, "tick0": 0 if axis.ends is not None else 1, "dtick": axis.step}


def _logarithmic(values: Iterable[float], tick: str) -> dict[str, Any]:
    """A logarithmic axis over these values with ticks at 1, 2 and 5, or at powers of ten where there are many."""
    positive = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    low, high = math.log10(min(positive)) - 0.04, math.log10(max(positive)) + 0.04
    if high - low < 0.3:
        low, high = low - 0.15, high + 0.15
    every = (1, 1.5, 2, 3, 4, 5, 6, 8) if high - low < 0.5 else (1, 2, 5) if high - low < 2.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in every]
    shown = [value for value in ticks if low <= math.log10(value) <= high]
    return {
        "type": "log",
        "range": [low, high],
        "tickvals": shown,
        "ticktext": [_short(value, tick) for value in shown],
    }


def _short(value: float, tick: str) -> str:
    """Bytes with k, M or G for thousands, millions and billions; anything else as it is."""
    if not tick.endswith("B"):
        return tick.format(value)
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {prefix}B"
    return f"{value:g} B"
