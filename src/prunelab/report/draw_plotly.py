"""Charts as the plain dictionaries that Plotly.js draws on the page.

Colours are those for a light background; the page replaces them by `looks.ON_DARK` for dark ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from html import escape
from itertools import pairwise
from typing import Any

from prunelab.report.chart import Axis, Chart, HeatMap, Line
from prunelab.report.layers import shortened
from prunelab.report.looks import BASELINE_COLOUR, DASHES, NO_LINE, RING, STEPS

SYMBOLS = {
    **{"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down"},
    **{"P": "cross", "X": "x", "<": "triangle-left", RING: "circle-open"},
}
DASH_NAMES = dict(zip(DASHES, ("solid", "dash", "dot"), strict=True))
FEW = 6
"""Up to this many series have strong bands."""
CLOSE = 0.05
"""Labels of levels that are closer than this share of the axis would overlap."""
ROW, AROUND = 15, 70
"""Pixels of a heat map's row (enough for a name), and above and below all rows."""
LONGEST_NAME = 24
"""Characters of a layer's name beside a heat map; hovering shows the whole name."""
MOST_TICKS = 12

Trace = dict[str, Any]


def plotly(chart: Chart | HeatMap) -> dict[str, Any]:
    """`data` and `layout` for `Plotly.react`."""
    if isinstance(chart, HeatMap):
        return _heat_map(chart)
    bands = [_band(line, len(chart.lines)) for line in chart.lines if line.band is not None]
    lines = [_line(line, chart.hover) for line in chart.lines]
    x = [value for line in chart.lines for value in line.x]
    y = [*chart.levels.values(), *(value for line in chart.lines for value in line.y)]
    layout = {"xaxis": _axis(chart.x, x), "yaxis": _axis(chart.y, y), "showlegend": chart.legend}
    return {"data": [*bands, *lines], "layout": layout | _levels(chart.levels, y)}


def _line(line: Line, hover: str) -> Trace:
    look = line.look
    marker, colour, hollow = look.get("marker"), look["color"], look.get("markerfacecolor") == "none"
    return {
        "type": "scatter",
        "mode": "+".join(["lines"] * (look["linestyle"] != NO_LINE) + ["markers"] * (marker is not None)),
        "name": escape(line.name),
        "meta": line.series or line.name,
        "legendgroup": line.name,
        "x": _numbers(line.x),
        "y": _numbers(line.y),
        "customdata": [list(map(escape, notes)) for notes in line.notes],
        "line": {
            "color": colour,
            "width": 1.2 if marker is None else 2,
            "dash": DASH_NAMES.get(look["linestyle"], "solid"),
            "shape": "hv" if look.get("drawstyle") == STEPS else "linear",
        },
        "marker": {
            "color": colour,
            "size": look["markersize"] + 2.5,
            "symbol": SYMBOLS.get(str(marker), "circle") + "-open" * hollow,
            "line": {"width": 1.5 * hollow},
        },
        "hovertemplate": f"{hover}<extra></extra>",
    }


def _band(line: Line, lines: int) -> Trace:
    assert line.band is not None
    lower, upper = line.band
    return {
        **{"type": "scatter", "mode": "lines", "meta": line.name, "legendgroup": line.name, "showlegend": False},
        "x": _numbers([*line.x, *line.x[::-1]]),
        "y": _numbers([*upper, *lower[::-1]]),
        "fill": "toself",
        "fillcolor": line.look["color"],
        "opacity": 0.14 if lines <= FEW else 0.08,
        "line": {"width": 0, "color": line.look["color"]},
        "hoverinfo": "skip",
    }


def _levels(levels: Mapping[str, float], values: Iterable[float]) -> dict[str, Any]:
    """A dashed line with its value for each unpruned network.

    The labels of two that are close are below and above them. More than two labels, if some are close, are one text,
    the highest level first, on the side of the lines where there is more room.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0), max(finite, default=0)
    ordered = sorted(levels.items(), key=lambda each: (each[1], each[0]))
    texts = [f"{escape(label)} {level:.4f}" for label, level in ordered]
    heights = [level for _, level in ordered]
    close = [above - below < CLOSE * (high - low) for below, above in pairwise(heights)]
    if len(levels) > 2 and any(close):
        upper = sum(heights) / len(heights) > (low + high) / 2
        written = [("<br>".join(reversed(texts)), heights[0 if upper else -1], "top" if upper else "bottom")]
    else:
        anchors = ["top" if below_one else "bottom" for below_one in (*close, False)]
        written = list(zip(texts, heights, anchors, strict=False))
    place = {"xref": "paper", "yref": "y"}
    dashed = {"color": BASELINE_COLOUR, "width": 1.4, "dash": "dash"}
    corner = {"x": 1, "xanchor": "right", "align": "right", "showarrow": False}
    font = {"size": 11, "color": BASELINE_COLOUR}
    return {
        "shapes": [{"type": "line", **place, "x0": 0, "x1": 1, "y0": y, "y1": y, "line": dashed} for y in heights],
        "annotations": [
            {**place, **corner, "y": y, "yanchor": anchor, "text": text, "font": font} for text, y, anchor in written
        ],
    }


def _axis(axis: Axis, values: Iterable[float]) -> dict[str, Any]:
    made: dict[str, Any] = {"title": {"text": axis.label}}
    if axis.tick:
        return made | _logarithmic(values, axis.written)
    if axis.ends is not None and axis.step is not None:
        made["range"] = list(axis.ends)
    elif axis.ends is not None:  # a single point would stretch it
        made |= {"minallowed": axis.ends[0], "maxallowed": axis.ends[1]}
    return made if axis.step is None else {**made, "tick0": 0 if axis.ends is not None else 1, "dtick": axis.step}


def _logarithmic(values: Iterable[float], written: Callable[[float], str]) -> dict[str, Any]:
    """A logarithmic axis over these values with ticks at 1, 2 and 5, or at powers of ten if there are many."""
    positive = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    low, high = math.log10(min(positive)) - 0.04, math.log10(max(positive)) + 0.04
    if high - low < 0.3:
        low, high = low - 0.15, high + 0.15
    digits = (1, 1.5, 2, 3, 4, 5, 6, 8) if high - low < 0.5 else (1, 2, 5) if high - low < 2.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits if low <= math.log10(digit) + power <= high]
    return {"type": "log", "range": [low, high], "tickvals": ticks, "ticktext": list(map(written, ticks))}


def _heat_map(chart: HeatMap) -> dict[str, Any]:
    """A row for each layer, the first on top, columns of equal width, and a cross where nothing remains."""
    layers = list(map(escape, chart.layers))
    columns = [f"{percentage:g}%" for percentage in chart.percentages]
    trace = {
        "type": "heatmap",
        "x": columns,
        "y": layers,
        "z": list(map(_numbers, chart.values)),
        "text": [["×" if share == 0 else "" for share in row] for row in chart.values],
        "texttemplate": "%{text}",
        "textfont": {"size": 10, "color": "#fff"},
        **{"zmin": 0, "zmax": 100, "colorscale": "Viridis", "showscale": False, "xgap": 1, "ygap": 1},
        "hoverongaps": False,
        "hovertemplate": "<b>%{y}</b><br>%{x} removed overall: %{z:.1f}% remain<extra></extra>",
    }
    short = [escape(shortened(layer, LONGEST_NAME)) for layer in chart.layers]
    axis = {"type": "category", "showgrid": False}
    ticks = columns[:: max(1, -(-len(columns) // MOST_TICKS))]
    layout = {
        "height": AROUND + ROW * len(layers),
        "xaxis": {**axis, "title": {"text": "removed overall"}, "tickvals": ticks, "tickangle": 0},
        "yaxis": {**axis, "autorange": "reversed", "tickvals": layers, "ticktext": short, "tickfont": {"size": 10}},
    }
    return {"data": [trace], "layout": layout}


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Six digits, more than a chart can show; JSON knows no NaN."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]
