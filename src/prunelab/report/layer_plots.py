"""What remains in each layer, as the page draws it: lines for few layers, a heat map for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex

from prunelab.report.layers import Survival, shortened, survivals
from prunelab.report.plots import Plot
from prunelab.report.results import Results
from prunelab.report.traces import numbers

LONGEST_NAME = 24
"""Characters of a layer's name beside a heat map; the whole name is shown on hover."""
ROW = 15
"""Pixels of a row of a heat map: enough for a name."""
AROUND = 70
"""Pixels above and below the rows."""
COLOURS = "Viridis"


@dataclass(frozen=True, slots=True)
class Alike:
    """Series with the same layers, drawn with the same colours: (name, on light, on dark) of each layer."""

    layers: list[tuple[str, str, str]]
    plots: list[Plot]


def survivors(results: Results, table: pd.DataFrame, series: Sequence[str]) -> tuple[list[Alike], list[Plot]]:
    """For each series, the share of each layer's units that stays: lines by the layers they are of, and heat maps."""
    alike: dict[tuple[str, ...], Alike] = {}
    maps = []
    for position, each in enumerate(survivals(table, results.layers, series)):
        if each.many:
            maps.append(_map(f"survivors_{position}", each))
            continue
        shades = zip(*colours(len(each.layers)), strict=True)
        key = [(name, light, dark) for name, (light, dark) in zip(each.layers, shades, strict=True)]
        alike.setdefault(each.layers, Alike(key, [])).plots.append(_lines(f"survivors_{position}", each))
    return list(alike.values()), maps


def colours(layers: int) -> tuple[list[str], list[str]]:
    """From the first layer to the last along a part of viridis, whose order colour-blind readers see too.

    For light backgrounds and for dark ones.
    """
    return _along(layers, 0.72, 0.0), _along(layers, 0.35, 0.97)


def _along(layers: int, first: float, last: float) -> list[str]:
    steps = [first + (last - first) * layer / max(layers - 1, 1) for layer in range(layers)]
    return [to_hex(colormaps["viridis"](step)) for step in steps]


def _lines(name: str, survival: Survival) -> Plot:
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": escape(layer),
            "x": numbers(survival.percentages),
            "y": numbers(shares),
            "line": {"color": colour, "width": 1.8},
            "marker": {"color": colour, "size": 4},
            "hovertemplate": "%{x:~g}% removed overall: %{y:.1f}% remain in %{fullData.name}<extra></extra>",
        }
        for layer, shares, colour in zip(
            survival.layers, survival.shares, colours(len(survival.layers))[0], strict=True
        )
    ]
    layout = {
        "xaxis": {"title": {"text": "removed overall (%)"}, "range": [-4, 104], "dtick": 50},
        "yaxis": {"title": {"text": "remaining (%)"}, "range": [-4, 104], "dtick": 50},
    }
    return Plot(name, survival.series, _says(survival), data, layout)


def _map(name: str, survival: Survival) -> Plot:
    """Layers as rows, the first on top; percentages as columns of equal width; a cross where nothing remains."""
    layers = [escape(layer) for layer in survival.layers]
    columns = [f"{percentage:g}%" for percentage in survival.percentages]
    data = [
        {
            "type": "heatmap",
            "x": columns,
            "y": layers,
            "z": [numbers(row) for row in survival.shares],
            "text": [["×" if share == 0 else "" for share in row] for row in survival.shares],
            "texttemplate": "%{text}",
            "textfont": {"size": 10, "color": "#fff"},
            **{"zmin": 0, "zmax": 100, "colorscale": COLOURS, "showscale": False, "xgap": 1, "ygap": 1},
            "hoverongaps": False,
            "hovertemplate": "<b>%{y}</b><br>%{x} removed overall: %{z:.1f}% remain<extra></extra>",
        }
    ]
    short = [escape(shortened(layer, LONGEST_NAME)) for layer in survival.layers]
    step = max(1, -(-len(columns) // 12))
    layout = {
        "height": AROUND + ROW * len(layers),
        "xaxis": {
            **{"type": "category", "title": {"text": "removed overall"}, "showgrid": False},
            "tickvals": columns[::step],
            "tickangle": 0,
        },
        "yaxis": {
            **{"type": "category", "autorange": "reversed", "showgrid": False},
            **{"tickvals": layers, "ticktext": short, "tickfont": {"size": 10}},
        },
    }
    return Plot(name, survival.series, _says(survival), data, layout)


def _says(survival: Survival) -> str:
    return (
        f"{survival.series}: the share of the units of each of {len(survival.layers)} layers that remains, against the "
        "percentage removed overall."
    )
