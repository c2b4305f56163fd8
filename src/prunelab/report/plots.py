"""The interactive plots of the page, as the plain dictionaries that Plotly.js draws.

Colours are those for a light background; the page puts `ON_DARK`'s in their place where the reader's is dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from prunelab import names
from prunelab.report.figures import BASELINE_COLOUR, DASHES, PALETTE
from prunelab.report.published import ACCURACY, LOSS
from prunelab.report.results import Results, alive, same_ratios
from prunelab.report.series import removed
from prunelab.report.speed import batch_sizes
from prunelab.report.traces import Trace, lines, logarithmic, number, printed, spans, unpruned

MOST = len(PALETTE) * len(DASHES)
"""So many lines can be told apart; more are not drawn."""
TRAINING_COLOURS = ("#7D8791", BASELINE_COLOUR)
"""Greys: the unpruned network is no series."""
SHARE = {"minallowed": -0.02, "maxallowed": 1.02}
"""An axis of accuracies, which a single point would stretch."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its name in the page, its title, what a reader who cannot see it is told, and what Plotly draws."""

    name: str
    title: str
    says: str
    data: list[Trace]
    layout: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Axis:
    """What accuracy is drawn against, on a logarithmic axis: a column, a title, a label, how its ticks are written."""

    column: str
    title: str
    label: str
    tick: str = "{:,g}×"


def against_percentage(
    results: Results, table: pd.DataFrame, series: Sequence[str], published: pd.DataFrame | None
) -> list[Plot]:
    """Test accuracy and loss with bands over seeds, and the published report's values as open markers."""
    plots = []
    for name, metric, baseline, column, label in (
        ("accuracy", names.TEST_ACCURACY, names.BASELINE_ACCURACY, ACCURACY, "test accuracy"),
        ("loss", names.TEST_LOSS, names.BASELINE_LOSS, LOSS, "test loss (cross-entropy, nats)"),
    ):
        data = lines(table, series, names.PERCENTAGE, metric, "%{x:~g}% removed")
        if published is not None:
            data += printed(published, series, column)
        y = {"title": {"text": label}, **(SHARE if name == "accuracy" else {})}
        if name == "loss" and spans(table[metric], 50):
            y |= logarithmic(table[metric], "{:g}")
        layout = {
            "xaxis": {"title": {"text": removed(results.rows)}, "range": [-2, 102], "dtick": 20},
            "yaxis": y,
            **unpruned(results.rows, baseline),
        }
        title = f"Test {name} against what was removed"
        plots.append(Plot(name, title, f"{title}, a line for each of {len(series)} series.", data, layout))
    return plots


def shared_axes(results: Results, table: pd.DataFrame, series: Sequence[str]) -> list[Plot]:
    """Accuracy against what both granularities can be compared by: parameters, multiply-adds, speed, bytes."""
    plots = []
    table = alive(table)
    for axis in axes(table):
        some = table[table[axis.column] > 0]
        layout = {
            "xaxis": {
                "title": {"text": axis.label},
                **logarithmic(some[axis.column], axis.tick),
            },
            "yaxis": {"title": {"text": "test accuracy"}, **SHARE},
            **unpruned(results.rows, names.BASELINE_ACCURACY),
        }
        value = f"%{{x:.3~s}}{axis.tick.partition('}')[2]}"
        data = lines(some, series, axis.column, names.TEST_ACCURACY, value)
        says = f"Test accuracy against {axis.label}, a line for each of {len(series)} series."
        plots.append(Plot(axis.column.replace("/", "_"), axis.title, says, data, layout))
    return plots


def axes(table: pd.DataFrame) -> list[Axis]:
    """The shared axes for which the table has values."""
    same = same_ratios(table)
    both = "parameters and multiply-adds" if same else "parameters"
    found = [Axis(names.COMPRESSION_RATIO, f"With fewer {both}", f"times fewer {both}")]
    if not same:
        found.append(Axis(names.THEORETICAL_SPEEDUP, "With fewer multiply-adds", "times fewer multiply-adds"))
    for batch in batch_sizes(table.columns):
        column = names.speedup(batch)
        images = "one image" if batch == 1 else f"{batch:,} images"
        found.append(Axis(column, f"Measured speed, {images} at a time", f"times faster, measured, {images} at a time"))
    found.append(Axis(names.FILE_BYTES, "Size of the file", "size of the saved network (bytes)", "{:g}B"))
    return [axis for axis in found if axis.column in table and (table[axis.column] > 0).any()]


def learning_curves(curves: dict[str, dict[str, dict[int, float]]]) -> list[Plot]:
    """Accuracy and loss per epoch, training and validation, of every baseline."""
    plots = []
    epochs = max((len(points) for history in curves.values() for points in history.values()), default=1)
    for name, stages, label in (
        ("accuracy", (names.TRAIN_ACCURACY, names.VAL_ACCURACY), "accuracy"),
        ("loss", (names.TRAIN_LOSS, names.VAL_LOSS), "loss (cross-entropy, nats)"),
    ):
        data = []
        for stage, colour, dash, symbol in zip(
            stages, TRAINING_COLOURS, ("solid", "5px,3px"), ("circle", "square"), strict=True
        ):
            histories = [history[stage] for history in curves.values() if history.get(stage)]
            if histories:
                data.append(
                    _histories(histories, "training" if "train" in stage else "validation", colour, dash, symbol)
                )
        if data:
            layout = {
                "showlegend": True,
                "xaxis": {"title": {"text": "epoch"}, "tick0": 1, "dtick": max(1, -(-epochs // 8))},
                "yaxis": {"title": {"text": label}, **(SHARE if name == "accuracy" else {})},
            }
            title = f"{name.capitalize()} while training"
            says = f"{name.capitalize()} of the unpruned network per epoch, on training and on validation data."
            plots.append(Plot(f"training_{name}", title, says, data, layout))
    return plots


def _histories(histories: list[dict[int, float]], stage: str, colour: str, dash: str, symbol: str) -> Trace:
    """All trainings as one trace, a gap between them."""
    points = [point for history in histories for point in [*history.items(), (None, None)]][:-1]
    few = len(histories) == 1
    return {
        "type": "scatter",
        "mode": "lines+markers" if few or len(points) == len(histories) else "lines",
        "name": stage,
        "x": [None if epoch is None else epoch + 1 for epoch, _ in points],
        "y": [number(value) for _, value in points],
        "line": {"color": colour, "width": 2 if few else 1.2, "dash": dash},
        "marker": {"color": colour, "size": 6, "symbol": symbol},
        "hovertemplate": f"epoch %{{x}}, {stage}: %{{y:.4f}}<extra></extra>",
    }
