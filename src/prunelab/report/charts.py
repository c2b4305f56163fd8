"""The charts of a sweep, described once: `figures` draws them with matplotlib, `plots` for the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from prunelab import names
from prunelab.report.layers import Survival, shortened
from prunelab.report.looks import BASELINE_COLOUR, DASHES, MARKERS, Look, looks, shades
from prunelab.report.published import ACCURACY, LOSS
from prunelab.report.results import BAR, Results, alive, same_ratios
from prunelab.report.series import removed, unpruned
from prunelab.report.speed import batch_sizes

SHARE = (-0.02, 1.02)
"""The ends of an axis of accuracies."""
LARGEST = 1e300
"""The store keeps infinity as the largest number there is."""
LONGEST_NAME = 30
"""Characters of a layer's name in the legend of a figure."""
SPAN = 50
"""Losses that differ by more than this factor are drawn on a logarithmic axis."""
MEASURES = (
    (names.TEST_ACCURACY, names.BASELINE_ACCURACY, "accuracy", "test accuracy", ACCURACY),
    (names.TEST_LOSS, names.BASELINE_LOSS, "loss", "test loss (mean cross-entropy, nats)", LOSS),
)
TRAINING = {
    "accuracy": (names.TRAIN_ACCURACY, names.VAL_ACCURACY),
    "loss (mean cross-entropy, nats)": (names.TRAIN_LOSS, names.VAL_LOSS),
}
STAGES: dict[str, Look] = {
    "training": {"color": "#7D8791", "marker": "o", "linestyle": DASHES[0], "markersize": 4},
    "validation": {"color": BASELINE_COLOUR, "marker": "s", "linestyle": DASHES[1], "markersize": 4},
}
"""Greys: the unpruned network is no series."""
POINT = "<b>%{fullData.name}</b> %{customdata[0]}<br>%{y:.4f}%{customdata[1]}<br>"
"""What is shown of a point on hover, in Plotly's words: its series, percentage, value and bar."""


@dataclass(frozen=True, slots=True)
class Axis:
    """`tick`: how ticks are written, of a logarithmic one; `ends` and `step` of another one, if not by the values."""

    label: str
    tick: str = ""
    ends: tuple[float, float] | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) with NaN where a line is interrupted, and how they look.

    `band` has the lower and the upper ends of the bars over seeds. `notes` are shown of each point on hover. `label`
    stands for the name in the legend of a figure.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    look: Look
    band: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    notes: tuple[tuple[str, str], ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines; the unpruned networks' `levels`, by what they are called; and the published report's values, as `marks`.

    `name` is its name in the page, `says` what a reader who cannot see it is told, `hover` Plotly's template for what
    is shown of a point.
    """

    name: str
    title: str
    says: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    hover: str
    levels: Mapping[str, float] = field(default_factory=dict)
    marks: tuple[Line, ...] = ()


def against_percentage(
    results: Results, table: pd.DataFrame, series: Sequence[str], published: pd.DataFrame | None = None
) -> list[Chart]:
    """Test accuracy and loss of the series against what was removed, as in the published report's figure 8."""
    charts = []
    x = Axis(removed(results.rows), ends=(-2, 102), step=20)
    for metric, baseline, name, label, printed in MEASURES:
        logarithmic = name == "loss" and _spans(table[metric])
        y = Axis(label, "{:g}" if logarithmic else "", SHARE if name == "accuracy" else None)
        title = f"Test {name} against what was removed"
        says = f"{title}, a line for each of {len(series)} series."
        lines = _lines(table, series, names.PERCENTAGE, metric)
        hover = f"{POINT}%{{x:~g}}% removed"
        marks = () if published is None else _marks(published, series, printed)
        charts.append(Chart(name, title, says, x, y, lines, hover, _levels(results, baseline), marks))
    return charts


def shared_axes(results: Results, table: pd.DataFrame, series: Sequence[str]) -> list[Chart]:
    """Test accuracy against what both granularities can be compared by: parameters, multiply-adds, speed, bytes.

    The name of each chart is that of its column, with _ for /.
    """
    table = alive(table)
    same = same_ratios(table)
    both = "parameters and multiply-adds" if same else "parameters"
    wanted = [(names.COMPRESSION_RATIO, f"With fewer {both}", f"times fewer {both}", "{:,g}×")]
    if not same:
        fewer = "multiply-adds"
        wanted.append((names.THEORETICAL_SPEEDUP, f"With fewer {fewer}", f"times fewer {fewer}", "{:,g}×"))
    for batch in batch_sizes(table.columns):
        at_once = _at_once(batch)
        label = f"times as fast, measured, {at_once} at a time"
        wanted.append((names.speedup(batch), f"Measured speed, {at_once} at a time", label, "{:,g}×"))
    wanted.append((names.FILE_BYTES, "Size of the file", "size of the saved network (bytes)", "{:g}B"))
    levels, y = _levels(results, names.BASELINE_ACCURACY), Axis("test accuracy", ends=SHARE)
    return [
        Chart(
            name=column.replace("/", "_"),
            title=title,
            says=f"Test accuracy against {label}, a line for each of {len(series)} series.",
            x=Axis(label, tick),
            y=y,
            lines=_lines(table[table[column] > 0], series, column, names.TEST_ACCURACY),
            hover=f"{POINT}%{{x:.3~s}}{tick.partition('}')[2]}",
            levels=levels,
        )
        for column, title, label, tick in wanted
        if column in table and (table[column] > 0).any()
    ]


def promised(table: pd.DataFrame, series: Sequence[str], sizes: Sequence[int]) -> list[Chart]:
    """Each series' measured speed against the one that its multiply-adds promise; on the diagonal they are equal."""
    table = alive(table)
    ends = (1.0, float(table[names.THEORETICAL_SPEEDUP].max()))
    look = {"color": BASELINE_COLOUR, "linestyle": "--", "linewidth": 1.2}
    return [
        Chart(
            name=f"promised_{size}",
            title=f"Promised and measured, {_at_once(size)} at a time",
            says="",
            x=Axis("promised: times fewer multiply-adds", "{:,g}×"),
            y=Axis("measured: times as fast", "{:,g}×"),
            lines=(
                *_lines(table, series, names.THEORETICAL_SPEEDUP, names.speedup(size)),
                Line("as promised", ends, ends, look),
            ),
            hover=POINT,
        )
        for size in sizes
    ]


def learning_curves(curves: Mapping[str, Mapping[str, Mapping[int, float]]]) -> list[Chart]:
    """Accuracy and loss per epoch, training and validation, of every baseline (the published report's figure 4)."""
    charts = []
    epochs = max((len(points) for history in curves.values() for points in history.values()), default=1)
    for label, metrics in TRAINING.items():
        name, lines = label.partition(" ")[0], []
        for (stage, look), metric in zip(STAGES.items(), metrics, strict=True):
            histories = [history[metric] for history in curves.values() if history.get(metric)]
            points = [point for history in histories for point in [*history.items(), (math.nan, math.nan)]][:-1]
            if points:
                some = look if len(histories) == 1 or epochs == 1 else {**look, "marker": None, "linewidth": 1.0}
                lines.append(Line(stage, tuple(epoch + 1 for epoch, _ in points), _finite(y for _, y in points), some))
        if lines:
            says = f"{name.capitalize()} of the unpruned network per epoch, on training and on validation data."
            x = Axis("epoch", step=max(1, -(-epochs // 8)))
            y = Axis(label, ends=SHARE if name == "accuracy" else None)
            hover = "epoch %{x}, %{fullData.name}: %{y:.4f}"
            charts.append(
                Chart(f"training_{name}", f"{name.capitalize()} while training", says, x, y, tuple(lines), hover)
            )
    return charts


def survival(each: Survival, name: str) -> Chart:
    """The share of each layer's units that stays in a series, against the percentage removed."""
    lines = tuple(
        Line(
            name=layer,
            x=each.percentages,
            y=_finite(shares),
            look={"color": colour, "marker": MARKERS[number % len(MARKERS)], "linestyle": DASHES[0], "markersize": 3},
            label=f"{shortened(layer, LONGEST_NAME)} ({units:,.0f})",
        )
        for number, (layer, units, shares, colour) in enumerate(
            zip(each.layers, each.units, each.shares, shades(len(each.layers))[0], strict=True)
        )
    )
    x = Axis("removed overall (%)", ends=(-4, 104), step=50)
    y = Axis("remaining (%)", ends=(-4, 104), step=50)
    hover = "%{x:~g}% removed overall: %{y:.1f}% remain in %{fullData.name}"
    return Chart(name, each.series, each.says, x, y, lines, hover)


def _at_once(batch: int) -> str:
    return "one image" if batch == 1 else f"{batch:,} images"


def _lines(table: pd.DataFrame, series: Sequence[str], x: str, y: str) -> tuple[Line, ...]:
    """The line of each series, in order of percentage, with bands where there are several seeds."""
    look, found = looks(series), []
    for name in series:
        part = table[table["series"] == name].dropna(subset=[x, y])
        spread, ceiling = part[BAR + y], 1.0 if y == names.TEST_ACCURACY else None
        band = None
        if (spread > 0).any():
            band = _finite((part[y] - spread).clip(lower=0)), _finite((part[y] + spread).clip(upper=ceiling))
        notes = tuple(
            (f"{percentage:g}%", f" ± {half:.4f} (n = {n})" if n > 1 else "")
            for percentage, half, n in zip(part[names.PERCENTAGE], spread, part["n"], strict=True)
        )
        found.append(Line(name, _finite(part[x]), _finite(part[y]), look[name], band, notes))
    return tuple(found)


def _marks(published: pd.DataFrame, series: Sequence[str], column: str) -> tuple[Line, ...]:
    look = looks(series)
    parts = {name: published[published["series"] == name].dropna(subset=[column]) for name in series}
    return tuple(
        Line(name, _finite(part[names.PERCENTAGE]), _finite(part[column]), look[name])
        for name, part in parts.items()
        if not part.empty
    )


def _levels(results: Results, baseline: str) -> dict[str, float]:
    return {what: dense[baseline] for what, dense in unpruned(results.rows).items()}


def _spans(values: pd.Series) -> bool:
    """Whether the largest is more than `SPAN` times the smallest, none being zero."""
    values = values[values.abs() < LARGEST]
    return bool(values.min() > 0 and values.max() / values.min() > SPAN)


def _finite(values: Iterable[float]) -> tuple[float, ...]:
    """NaN for what is infinite."""
    return tuple(float(value) if abs(value) < LARGEST else math.nan for value in values)
