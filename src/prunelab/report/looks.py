"""How each series looks, everywhere: in the figures, on the page, on the terminal and in MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99", "#999933")
"""Okabe and Ito's and Tol's colours, told apart by colour-blind readers too."""
MARKERS = "osD^vPX<"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)))
NO_LINE, STEPS, RING = "none", "steps-post", "$○$"
"""A line style, a draw style and a marker of matplotlib's."""
BASELINE_COLOUR = "#444444"
ON_DARK = {"#0072B2": "#3B97DB", "#882255": "#C4528F", BASELINE_COLOUR: "#B8BDC4"}
"""What stands for a colour on a dark background, for those that would hardly be seen there."""

Look = dict[str, Any]
"""Colour, marker and dashes, in matplotlib's words."""


def looks(series: Iterable[str]) -> dict[str, Look]:
    """The look of each series; the published report's two methods look the same in every figure."""
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
    """Colours of so many layers, for light backgrounds and for dark ones.

    From the first layer to the last along a part of viridis, whose order colour-blind readers see too.
    """
    return _along(count, 0.72, 0.0), _along(count, 0.35, 0.97)


def _along(count: int, first: float, last: float) -> list[str]:
    steps = [first + (last - first) * position / max(count - 1, 1) for position in range(count)]
    return [to_hex(colormaps["viridis"](step)) for step in steps]
