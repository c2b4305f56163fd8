"""The charts of a sweep, each described once. Pure: results in, descriptions (`report.chart`) out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from prunelab import names
from prunelab.report.chart import Axis, Chart, HeatMap, Line
from prunelab.report.layers import shortened
from prunelab.report.looks import BASELINE_COLOUR, DASHES, MARKERS, NO_LINE, Look, looks, shades
from prunelab.report.published import ACCURACY, LOSS, comparison
from prunelab.report.results import BAR, Results, same_ratios
from prunelab.report.series import removed
from prunelab.report.speed import batch_sizes

UNIT_RANGE = (-0.02, 1.02)
"""The ends of an axis of accuracies."""
LARGEST = 1e300
"""The store records infinity as the largest float; values from here on count as infinite."""
MOST_LINES = 8
"""Layers that can be told apart as lines; more are drawn as a heat map."""
LONGEST_NAME, LOGARITHMIC = 30, 50
"""Characters of a layer's name in the legend of a PNG; losses that differ by a larger factor get a logarithmic axis."""
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
POINT = "<b>%{fullData.name}</b> %{customdata[0]}<br>%{y:.4f}%{customdata[1]}<br>"
"""Plotly's template for the hover label of a point: series, percentage, value and bar."""


def against_percentage(results: Results) -> list[Chart]:
    """Test accuracy and test loss against the percentage removed, as in the published report's figure 8."""
    charts, x = [], Axis(removed(results.rows), ends=(-2, 102), step=20)
    for metric, baseline, name, label, printed in MEASURES:
        title = f"Test {name} against the percentage removed"
        logarithmic = name == "loss" and _needs_logarithm(results.table[metric])
        charts.append(
            Chart(
                name=name,
                title=title,
                alt=f"{title}, a line for each of {len(results.drawn)} series.",
                x=x,
                y=Axis(label, "{:g}" if logarithmic else "", UNIT_RANGE if name == "accuracy" else None),
                lines=(*_lines(results, results.table, names.PERCENTAGE, metric), *_printed(results, printed)),
                hover=f"{POINT}%{{x:~g}}% removed",
                levels=_levels(results, baseline),
            )
        )
    return charts


def shared_axes(results: Results) -> list[Chart]:
    """Test accuracy against axes on which weight and neuron pruning compare: parameters, multiply-adds, speed, bytes.

    Each chart is named after its metric, with _ for /.
    """
    table = results.alive
    fewer = "parameters and MACs" if same_ratios(table) else "parameters"
    axes = {
        names.COMPRESSION_RATIO: (f"With fewer {fewer}", f"{fewer}, dense / remaining", "{:,g}×"),
        names.THEORETICAL_SPEEDUP: ("With fewer MACs", "MACs, dense / remaining", "{:,g}×"),
    }
    if same_ratios(table):
        del axes[names.THEORETICAL_SPEEDUP]
    for batch in batch_sizes(table.columns):
        at_once = images(batch)
        label = f"measured speedup, {at_once} at a time"
        axes[names.speedup(batch)] = (f"Measured speed, {at_once} at a time", label, "{:,g}×")
    axes[names.FILE_BYTES] = ("Size of the file", "size of the saved network (bytes)", "{:g}B")
    return [
        Chart(
            name=chart_name(column),
            title=title,
            alt=f"Test accuracy against {label}, a line for each of {len(results.drawn)} series.",
            x=Axis(label, tick),
            y=Axis("test accuracy", ends=UNIT_RANGE),
            lines=_lines(results, table[table[column] > 0], column, names.TEST_ACCURACY),
            hover=f"{POINT}%{{x:.3~s}}{tick.partition('}')[2]}",
            levels=_levels(results, names.BASELINE_ACCURACY),
        )
        for column, (title, label, tick) in axes.items()
        if column in table and (table[column] > 0).any()
    ]


def promised(results: Results, batches: Sequence[int]) -> list[Chart]:
    """Measured speedup against the one that multiply-adds promise, a chart per batch size; equal on the diagonal."""
    ends = (1.0, float(results.alive[names.THEORETICAL_SPEEDUP].max()))
    diagonal = Line("equal", ends, ends, {"color": BASELINE_COLOUR, "linestyle": "--", "linewidth": 1.2})
    return [
        Chart(
            name=f"promised_{batch}",
            title=f"Fewer MACs and measured speedup, {images(batch)} at a time",
            alt="",
            x=Axis("MACs, dense / remaining", "{:,g}×"),
            y=Axis("measured speedup", "{:,g}×"),
            lines=(*_lines(results, results.alive, names.THEORETICAL_SPEEDUP, names.speedup(batch)), diagonal),
            hover=POINT,
        )
        for batch in batches
    ]


def learning_curves(curves: Mapping[str, Mapping[str, Mapping[int, float]]]) -> list[Chart]:
    """Accuracy and loss per epoch on training and validation data (the published report's figure 4).

    `curves`: for each baseline, each metric's value by epoch (from 0). All baselines of a stage form one line, with
    interruptions between them.
    """
    charts = []
    epochs = max((len(points) for history in curves.values() for points in history.values()), default=1)
    for label, metrics in TRAINING.items():
        name, lines = label.partition(" ")[0], []
        for (stage, look), metric in zip(STAGES.items(), metrics, strict=True):
            histories = [history[metric] for history in curves.values() if history.get(metric)]
            points = [point for history in histories for point in [*history.items(), (math.nan, math.nan)]][:-1]
            if points:
                thin = len(histories) > 1 and epochs > 1
                x, y = tuple(epoch + 1 for epoch, _ in points), _finite(value for _, value in points)
                lines.append(Line(stage, x, y, {**look, "marker": None, "linewidth": 1.0} if thin else look))
        if lines:
            charts.append(
                Chart(
                    name=f"training_{name}",
                    title=f"{name.capitalize()} while training",
                    alt=f"{name.capitalize()} of the unpruned network per epoch, on training and validation data.",
                    x=Axis("epoch", step=max(1, -(-epochs // 8))),
                    y=Axis(label, ends=UNIT_RANGE if name == "accuracy" else None),
                    lines=tuple(lines),
                    hover="epoch %{x}, %{fullData.name}: %{y:.4f}",
                    legend=True,
                )
            )
    return charts


def survivors(results: Results) -> list[Chart | HeatMap]:
    """For each series whose layers were counted, the share of each layer's units that remains.

    Lines for up to `MOST_LINES` layers, a heat map for more.
    """
    charts: list[Chart | HeatMap] = []
    for series in results.drawn:
        layers, part = results.layers[series], results.parts[series]
        before, after = (
            [names.layer(prefix, number + 1) for number in range(len(layers))]
            for prefix in (names.UNITS, names.REMAINING)
        )
        if not layers or not set(before) <= set(part.columns):
            continue
        units = part[before].to_numpy(np.float64)
        shares = 100 * (part[after].to_numpy(np.float64) / units).T
        name, percentages = f"survivors_{len(charts)}", _finite(part[names.PERCENTAGE])
        alt = f"{series}: the share of the units of each of {len(layers)} layers that remains, by percentage removed."
        if len(layers) > MOST_LINES:
            charts.append(HeatMap(name, series, alt, layers, percentages, shares))
            continue
        lines = tuple(
            Line(
                name=layer,
                x=percentages,
                y=_finite(share),
                look={"color": colour, "marker": marker, "linestyle": DASHES[0], "markersize": 3},
                label=f"{shortened(layer, LONGEST_NAME)} ({count:,.0f})",
            )
            for layer, share, colour, marker, count in zip(
                layers, shares, shades(len(layers))[0], MARKERS[: len(layers)], units[0], strict=True
            )
        )
        x, y = (Axis(label, ends=(-4, 104), step=50) for label in ("removed overall (%)", "remaining (%)"))
        hover = "%{x:~g}% removed overall: %{y:.1f}% remain in %{fullData.name}"
        charts.append(Chart(name, series, alt, x, y, lines, hover))
    return charts


def chart_name(metric: str) -> str:
    """The name of a metric's chart."""
    return metric.replace("/", "_")


def images(batch: int) -> str:
    """A batch size in words."""
    return "one image" if batch == 1 else f"{batch:,} images"


def _lines(results: Results, table: pd.DataFrame, x: str, y: str) -> tuple[Line, ...]:
    """A line for each drawn series through its rows of `table`, with a band where there are several seeds."""
    look, lines = looks(results.drawn), []
    parts = dict(iter(table.dropna(subset=[x, y]).groupby("series", sort=False)))
    ceiling = 1.0 if y == names.TEST_ACCURACY else None
    for name in results.drawn:
        part = parts.get(name, table[:0])
        half = part[BAR + y]
        band = None
        if (half > 0).any():
            band = _finite((part[y] - half).clip(lower=0)), _finite((part[y] + half).clip(upper=ceiling))
        notes = tuple(
            (f"{percentage:g}%", f" ± {bar:.4f} (n = {n})" if n > 1 else "")
            for percentage, bar, n in zip(part[names.PERCENTAGE], half, part["n"], strict=True)
        )
        lines.append(Line(name, _finite(part[x]), _finite(part[y]), look[name], band, notes))
    return tuple(lines)


def _printed(results: Results, column: str) -> tuple[Line, ...]:
    """What the published report prints, as open markers; nothing if the sweep does not repeat it."""
    published, look = comparison(results), looks(results.drawn)
    if published is None:
        return ()
    parts = {str(series): part for series, part in published.dropna(subset=[column]).groupby("series", sort=False)}
    return tuple(
        Line(
            name=f"{series}, as published",
            x=_finite(part[names.PERCENTAGE]),
            y=_finite(part[column]),
            look={**look[series], "linestyle": NO_LINE, "markersize": 8.5, "markerfacecolor": "none"},
            notes=(("", ""),) * len(part),
            series=series,
        )
        for series, part in parts.items()
        if series in results.drawn
    )


def _levels(results: Results, metric: str) -> dict[str, float]:
    return {label: values[metric] for label, values in results.unpruned.items()}


def _needs_logarithm(values: pd.Series) -> bool:
    values = values[values.abs() < LARGEST]
    return bool(values.min() > 0 and values.max() / values.min() > LOGARITHMIC)


def _finite(values: Iterable[float]) -> tuple[float, ...]:
    """As floats, with NaN for infinity."""
    return tuple(float(value) if abs(value) < LARGEST else math.nan for value in values)
