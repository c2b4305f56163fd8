"""What the plots are made of: lines with bands, the unpruned network's level, logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import pandas as pd

from prunelab import names
from prunelab.report import series as naming
from prunelab.report.figures import BASELINE_COLOUR, DASHES, ends, looks
from prunelab.report.results import BAR

SYMBOLS = {
    **{"o": "circle", "s": "square", "D": "diamond", "^": "triangle-up", "v": "triangle-down"},
    **{"P": "cross", "X": "x", "<": "triangle-left"},
}
DASH_NAMES = dict(zip(DASHES, ("solid", "dash", "dot"), strict=True))

Trace = dict[str, Any]
FEW = 6
"""Up to so many series have strong bands."""

CLOSE = 0.05
"""Words at levels nearer than this share of the axis would cover each other."""
BESIDE = 3
"""So many of them fit: one below its line, the others above theirs, side by side."""
LARGEST = 1e300


def lines(table: pd.DataFrame, series: Sequence[str], x: str, y: str, at: str) -> list[Trace]:
    look = looks(series)
    bands, lines = [], []
    for name in series:
        part = table[table["series"] == name].dropna(subset=[x, y])
        style = look[name]
        spread = part[BAR + y]
        common = {"type": "scatter", "legendgroup": name, "meta": name}
        if (spread > 0).any():
            lower, upper = ends(part, y)
            bands.append(
                {
                    **common,
                    "mode": "lines",
                    "x": numbers([*part[x], *part[x][::-1]]),
                    "y": numbers([*upper, *lower[::-1]]),
                    "fill": "toself",
                    "fillcolor": style["color"],
                    "opacity": 0.14 if len(series) <= FEW else 0.08,
                    "line": {"width": 0, "color": style["color"]},
                    "hoverinfo": "skip",
                }
            )
        lines.append(
            {
                **common,
                "mode": "lines+markers",
                "name": escape(name),
                "x": numbers(part[x]),
                "y": numbers(part[y]),
                "customdata": [
                    [f"{percentage:g}%", f" ± {half:.4f} (n = {n})" if n > 1 else ""]
                    for percentage, half, n in zip(part[names.PERCENTAGE], spread, part["n"], strict=True)
                ],
                "line": {"color": style["color"], "width": 2, "dash": DASH_NAMES[style["linestyle"]]},
                "marker": {"color": style["color"], "size": 7, "symbol": SYMBOLS[style["marker"]]},
                "hovertemplate": f"<b>%{{fullData.name}}</b> %{{customdata[0]}}<br>%{{y:.4f}}%{{customdata[1]}}"
                f"<br>{at}<extra></extra>",
            }
        )
    return bands + lines


def printed(published: pd.DataFrame, series: Sequence[str], column: str) -> list[Trace]:
    look = looks(series)
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"{escape(name)}, as published",
            "meta": name,
            "x": numbers(part[names.PERCENTAGE]),
            "y": numbers(part[column]),
            "marker": {
                "color": look[name]["color"],
                "size": 11,
                "symbol": f"{SYMBOLS[look[name]['marker']]}-open",
                "line": {"width": 1.5},
            },
            "hovertemplate": "<b>%{fullData.name}</b><br>%{y:.4f}<br>%{x:~g}% removed<extra></extra>",
        }
        for name in series
        if not (part := published[published["series"] == name].dropna(subset=[column])).empty
    ]


def unpruned(rows: pd.DataFrame, baseline: str) -> dict[str, Any]:
    """A dashed line, with its value, at the mean of each unpruned network; words of close ones keep apart."""
    shapes: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    levels = sorted((dense[baseline], what) for what, dense in naming.unpruned(rows).items())
    metric = names.TEST_ACCURACY if baseline == names.BASELINE_ACCURACY else names.TEST_LOSS
    everything = finite(pd.concat([rows[metric], rows[baseline]]))
    near, beside, before = CLOSE * (everything.max() - everything.min()), 0, -math.inf
    for level, what in levels:
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


def logarithmic(values: pd.Series, tick: str) -> dict[str, Any]:
    """A logarithmic axis over these values with ticks at 1, 2 and 5, or at powers of ten where there are many."""
    values = finite(values)
    low, high = math.log10(values.min()) - 0.04, math.log10(values.max()) + 0.04
    if high - low < 0.3:
        low, high = low - 0.15, high + 0.15
    every = (1, 2, 5) if high - low < 2.5 else (1,)
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


def spans(values: pd.Series, factor: float) -> bool:
    """Whether the largest is more than so many times the smallest, none being zero."""
    values = finite(values)
    return bool(values.min() > 0 and values.max() / values.min() > factor)


def finite(values: pd.Series) -> pd.Series:
    """Without what is infinite or missing; the store keeps infinity as the largest number there is."""
    return values[values.abs() < LARGEST]


def numbers(values: Iterable[float]) -> list[float | None]:
    return [number(value) for value in values]


def number(value: float | None) -> float | None:
    """Six digits are more than a plot can show; JSON knows no NaN."""
    return None if value is None or not abs(value) < LARGEST else float(f"{value:.6g}")
