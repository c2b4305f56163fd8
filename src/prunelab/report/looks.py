"""Colour, marker and dashes of each series: the same in PNGs, on the page, on the terminal and in MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99", "#999933")
"""Colour-blind-safe colours by Okabe and Ito (2008) and by Tol (2021)."""
MARKERS = "osD^vPX<"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)))
DISTINCT = len(PALETTE) * len(DASHES)
"""The number of series that colours and dashes can tell apart; charts do not draw more."""
NO_LINE, STEPS, RING = "none", "steps-post", "$○$"
"""matplotlib's words for markers only, for a line in steps, and for an open circle."""
BASELINE_COLOUR = "#444444"
ON_DARK = {"#0072B2": "#3B97DB", "#882255": "#C4528F", BASELINE_COLOUR: "#B8BDC4"}
"""Replacements for colours that are too dark for a dark background."""

Look = dict[str, Any]
"""Keyword arguments of matplotlib's `plot`: color, marker, linestyle, markersize, ..."""


def looks(series: Iterable[str]) -> dict[str, Look]:
    """The look of each series; the published report's two methods always come first and never change theirs."""
    order = ["weight", "neuron", *sorted(name for name in set(series) if name not in ("weight", "neuron"))]
    return {
        name: {
            "color": PALETTE[position % len(PALETTE)],
            "marker": MARKERS[position % len(MARKERS)],
            "linestyle": DASHES[position // len(PALETTE) % len(DASHES)],
            "markersize": 4.5,
        }
        for position, name in enumerate(order)
    }


def shades(count: int) -> tuple[list[str], list[str]]:
    """Colours of `count` layers from first to last, for light and for dark backgrounds: sections of viridis."""
    return _section(count, 0.72, 0.0), _section(count, 0.35, 0.97)


def _section(count: int, first: float, last: float) -> list[str]:
    steps = [first + (last - first) * position / max(count - 1, 1) for position in range(count)]
    return [to_hex(colormaps["viridis"](step)) for step in steps]
