"""The curves of a sweep, drawn with matplotlib, and how each series looks everywhere; nothing here writes a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from prunelab import names
from prunelab.report import speed
from prunelab.report.results import BAR, Results
from prunelab.report.series import removed, unpruned

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99", "#999933")
"""Okabe and Ito's and Tol's colours, told apart by colour-blind readers too."""
MARKERS = "osD^vPX<"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)))
BASELINE_COLOUR = "#444444"
ON_DARK = {"#0072B2": "#3B97DB", "#882255": "#C4528F", BASELINE_COLOUR: "#B8BDC4"}
"""What stands for a colour on a dark background, for those that would hardly be seen there."""
SIZE = (7.2, 4.4)
ROOMY = 200


def looks(series: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dashes of each series; the published report's two methods look the same in every figure."""
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


def against_percentage(results: Results, table: pd.DataFrame, metric: str, baseline: str) -> Figure:
    """A metric of every series against the percentage removed, as in the published report's figure 8."""
    figure, axes = _figure()
    look = looks(table["series"])
    for series, part in table.groupby("series", sort=False):
        style = look[str(series)]
        axes.plot(part[names.PERCENTAGE], part[metric], label=str(series), **style)
        _band(axes, part, names.PERCENTAGE, metric, style["color"])
    _unpruned(axes, results, baseline)
    what = "accuracy" if metric == names.TEST_ACCURACY else "loss (mean cross-entropy, nats)"
    axes.set(
        xlabel=removed(results.rows),
        ylabel=f"test {what}",
        title=f"Test {what.partition(' (')[0]}",
    )
    axes.set_xlim(-2, 102)
    _legend(axes, len(look))
    _caption(figure, results)
    return figure


def batch_sizes(table: pd.DataFrame) -> list[int]:
    """Those whose speed was measured."""
    return [size for size in speed.batch_sizes(table.columns) if table[names.speedup(size)].notna().any()]


def against(results: Results, table: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Accuracy against what pruning is for, on logarithmic axes: those on which both granularities compare.

    `columns` has what each panel's axis shows, and its label.
    """
    figure, panels = _panels(len(columns))
    look = looks(table["series"])
    for axes, (column, label) in zip(panels, columns.items(), strict=True):
        for series, part in table.groupby("series", sort=False):
            style = look[str(series)]
            part = part[part[column] > 0].sort_values(column)
            axes.plot(part[column], part[names.TEST_ACCURACY], label=str(series), **style)
            _band(axes, part, column, names.TEST_ACCURACY, style["color"])
        _unpruned(axes, results, names.BASELINE_ACCURACY)
        _logarithmic(axes, "x" if column != names.FILE_BYTES else "B")
        axes.set(xlabel=label, ylabel="test accuracy")
    _legend(panels[-1], len(look))
    _caption(figure, results)
    return figure


def theoretical_beside_measured(table: pd.DataFrame, sizes: Sequence[int]) -> Figure:
    """Each series' measured speedup against the one that its multiply-adds promise; on the diagonal they are equal."""
    figure, panels = _panels(len(sizes))
    look = looks(table["series"])
    ends = [1.0, float(table[names.THEORETICAL_SPEEDUP].max())]
    for axes, size in zip(panels, sizes, strict=True):
        for series, part in table.groupby("series", sort=False):
            part = part[part[names.speedup(size)].notna()].sort_values(names.THEORETICAL_SPEEDUP)
            x, y = part[names.THEORETICAL_SPEEDUP], part[names.speedup(size)]
            axes.plot(x, y, label=str(series), **look[str(series)])
        axes.plot(ends, ends, color=BASELINE_COLOUR, linestyle="--", linewidth=1.2, label="as promised")
        _logarithmic(axes, "x")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_tick("x"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="promised: times fewer multiply-adds", ylabel=f"measured: times as fast, batches of {size:,}")
    _legend(panels[-1], len(look))
    return figure


def learning_curves(curves: dict[str, dict[str, dict[int, float]]]) -> Figure:
    """Accuracy and loss per epoch, training and validation, of every baseline (the published report's figure 4)."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, metrics, label in (
        (left, (names.TRAIN_ACCURACY, names.VAL_ACCURACY), "accuracy"),
        (right, (names.TRAIN_LOSS, names.VAL_LOSS), "loss (mean cross-entropy, nats)"),
    ):
        for metric, colour, stage in zip(metrics, PALETTE, ("train", "validation"), strict=False):
            for number, history in enumerate(curves.values()):
                points = history.get(metric, {})
                axes.plot(
                    [epoch + 1 for epoch in points],
                    list(points.values()),
                    color=colour,
                    marker="o" if len(curves) == 1 else None,
                    markersize=4,
                    alpha=1.0 if len(curves) == 1 else 0.6,
                    label=stage if number == 0 else None,
                )
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        plain(axes)
        axes.legend(frameon=False)
    figure.suptitle("Training of the unpruned network" + ("" if len(curves) == 1 else f" ({len(curves)} trainings)"))
    return figure


def _unpruned(axes: Axes, results: Results, metric: str) -> None:
    """The level of the unpruned network, dashed; of each sweep where they differ, each dashed otherwise."""
    for number, (what, dense) in enumerate(unpruned(results.rows).items()):
        dashes = (0, (4, 2 + 2 * number))
        label = f"{what} ({dense[metric]:.4f})"
        axes.axhline(dense[metric], color=BASELINE_COLOUR, linestyle=dashes, linewidth=1.2, label=label)


def _band(axes: Axes, part: pd.DataFrame, x: str, y: str, colour: str) -> None:
    """The bars over seeds, where there are several."""
    if (part["n"] > 1).any():
        axes.fill_between(part[x], *ends(part, y), color=colour, alpha=0.18, linewidth=0)


def _caption(figure: Figure, results: Results) -> None:
    """What the bands are, where there are any."""
    if results.seeds > 1:
        figure.supxlabel(f"bands: {results.bars.words}", fontsize="small", color=BASELINE_COLOUR)


def ends(part: pd.DataFrame, metric: str) -> tuple[pd.Series, pd.Series]:
    """Where the bars of a metric begin and end, cut off where no value can be: accuracies below 0 and above 1."""
    highest = 1.0 if metric == names.TEST_ACCURACY else None
    return (part[metric] - part[BAR + metric]).clip(lower=0), (part[metric] + part[BAR + metric]).clip(upper=highest)


def _legend(axes: Axes, entries: int) -> None:
    """Inside while it is small, beside the axes when it would cover them."""
    if entries <= 6:
        axes.legend(frameon=False)
    else:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _logarithmic(axes: Axes, unit: str) -> None:
    """A tick at each power of ten, and between them where there is room."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < ROOMY else (1,)))
    axes.xaxis.set_major_formatter(_tick(unit))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _tick(unit: str) -> EngFormatter | FuncFormatter:
    """1.5x; of bytes 20 kB."""
    return EngFormatter(unit) if unit == "B" else FuncFormatter(lambda value, position: f"{value:g}{unit}")


def _figure() -> tuple[Figure, Axes]:
    figure, (axes,) = _panels(1)
    return figure, axes


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Axes side by side."""
    width, height = SIZE
    figure = Figure(figsize=(width if count == 1 else 0.75 * width * count, height), layout="constrained")
    panels = list(figure.subplots(1, count, squeeze=False).flat)
    for axes in panels:
        plain(axes)
    return figure, panels


def plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
