"""What remains in each layer, as the page draws it: lines for few layers, a heat map for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from prunelab.report.charts import survival
from prunelab.report.layers import Survival, shortened, survivals
from prunelab.report.looks import shades
from prunelab.report.plots import Plot, numbers, plot
from prunelab.report.results import Results

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
        name = f"survivors_{position}"
        if each.many:
            maps.append(_map(name, each))
            continue
        colours = zip(each.layers, *shades(len(each.layers)), strict=True)
        alike.setdefault(each.layers, Alike(list(colours), [])).plots.append(plot(survival(each, name)))
    return list(alike.values()), maps


def _map(name: str, each: Survival) -> Plot:
    """Layers as rows, the first on top; percentages as columns of equal width; a cross where nothing remains."""
    layers = [escape(layer) for layer in each.layers]
    columns = [f"{percentage:g}%" for percentage in each.percentages]
    data = [
        {
            "type": "heatmap",
            "x": columns,
            "y": layers,
            "z": [numbers(row) for row in each.shares],
            "text": [["×" if share == 0 else "" for share in row] for row in each.shares],
            "texttemplate": "%{text}",
            "textfont": {"size": 10, "color": "#fff"},
            **{"zmin": 0, "zmax": 100, "colorscale": COLOURS, "showscale": False, "xgap": 1, "ygap": 1},
            "hoverongaps": False,
            "hovertemplate": "<b>%{y}</b><br>%{x} removed overall: %{z:.1f}% remain<extra></extra>",
        }
    ]
    short = [escape(shortened(layer, LONGEST_NAME)) for layer in each.layers]
    step = max(1, -(-len(columns) // 12))
    layout = {
        "height": AROUND + ROW * len(layers),
        "xaxis": {
            **{"type": "category", "title": {"text": "removed overall"}, "showgrid": False},
            **{"tickvals": columns[::step], "tickangle": 0},
        },
        "yaxis": {
            **{"type": "category", "autorange": "reversed", "showgrid": False},
            **{"tickvals": layers, "ticktext": short, "tickfont": {"size": 10}},
        },
    }
    return Plot(name, each.series, each.says, data, layout)
