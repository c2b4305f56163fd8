"""Which file to deploy: every network of a sweep in each form it can be exported as, by accuracy, bytes and time.

A file is on the Pareto front if no other is at least as good in both respects and better in one (Pareto 1906).
Accuracy there means validation accuracy; test accuracy is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunelab import names
from prunelab.report.chart import Axis, Chart, Line
from prunelab.report.charts import images
from prunelab.report.looks import BASELINE_COLOUR, DASHES, NO_LINE, PALETTE, RING, STEPS, Look
from prunelab.report.speed import UNSTEADY, batch_sizes, mark
from prunelab.report.tables import Cell, Heading, Sheet

COMPACTED = "compacted"
FORMS = ("ONNX, float32", "ONNX, int8", "safetensors")
LOOKS: dict[str, Look] = {
    form: {"color": colour, "marker": marker, "linestyle": NO_LINE, "markersize": 5.5}
    for form, colour, marker in zip(FORMS, PALETTE, "oDs", strict=False)
}
FRONT: Look = {
    **{"color": BASELINE_COLOUR, "marker": RING, "markersize": 12},
    **{"linestyle": DASHES[1], "drawstyle": STEPS},
}
HOVER = "<b>%{fullData.name}</b> %{customdata[0]}<br>validation %{y:.4f}, test %{customdata[1]}<br>%{x:,.4~g}"
HEADINGS = (
    *(("method", False), ("%", True), ("form", False), ("validation accuracy", True), ("test accuracy", True)),
    *(("bytes", True), ("ms", True), ("Pareto front", False)),
)


@dataclass(frozen=True, slots=True)
class File:
    """One file: its network and form, mean accuracies, bytes, and milliseconds per batch if measured and steady."""

    series: str
    percentage: float
    form: str
    validation: float
    test: float
    size: float
    milliseconds: float | None
    unsteady: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The page's section: charts, a table, and the batch size of the times."""

    charts: list[Chart]
    table: Sheet
    batch: int | None


def which_file(table: pd.DataFrame) -> Choice | None:
    """The section for a table over seeds; None if only the saved networks were measured."""
    files = files_of(table)
    if not files:
        return None
    batch = next(iter(batch_sizes(table.columns)), None)
    fronts = {cost: front(files, cost) for cost in ("size", "milliseconds")}
    wanted = (
        ("size", "Accuracy against bytes", Axis("size of the file (bytes)", "{:g}B")),
        ("milliseconds", "Accuracy against time", Axis(f"milliseconds for {images(batch or 1)}", "{:g}")),
    )
    charts = [_chart(files, fronts[cost], cost, title, axis) for cost, title, axis in wanted if fronts[cost]]
    return Choice(charts, _table(files, fronts), batch)


def files_of(table: pd.DataFrame) -> list[File]:
    """Every file that was measured; none if no ONNX model was."""
    if not {names.ONNX_BYTES, names.INT8_BYTES} & set(table.columns):
        return []
    columns = {
        FORMS[0]: (names.VAL_ACCURACY, names.TEST_ACCURACY, names.ONNX_BYTES),
        FORMS[1]: (names.INT8_VAL_ACCURACY, names.INT8_ACCURACY, names.INT8_BYTES),
        FORMS[2]: (names.VAL_ACCURACY, names.TEST_ACCURACY, names.FILE_BYTES),
    }
    times: dict[str, str] = {}
    for size in batch_sizes(table.columns)[:1]:
        of_batch = names.latency(size, COMPACTED), names.int8(names.latency(size))
        times = dict(zip(FORMS, (*of_batch, names.latency(size, f"eager_{COMPACTED}")), strict=True))
    found = []
    for row in table.to_dict("records"):
        for form, wanted in columns.items():
            validation, test, size_ = (_number(row.get(column)) for column in wanted)
            if validation is None or test is None or size_ is None:
                continue
            timed = times.get(form, "")
            time = _number(row.get(timed))
            unsteady = time is None and row.get(mark(timed)) is True
            name, percentage = str(row["series"]), float(row[names.PERCENTAGE])
            found.append(File(name, percentage, form, validation, test, size_, time, unsteady))
    return found


def front(files: Sequence[File], cost: str) -> list[File]:
    """The Pareto front in validation accuracy and `cost` (an attribute: size or milliseconds), the cheapest first."""
    measured = [file for file in files if getattr(file, cost) is not None]
    best: list[File] = []
    for file in sorted(measured, key=lambda file: (getattr(file, cost), -file.validation)):
        if not best or file.validation > best[-1].validation:
            best.append(file)
    return best


def _chart(files: Sequence[File], best: Sequence[File], cost: str, title: str, axis: Axis) -> Chart:
    measured = [file for file in files if getattr(file, cost) is not None]
    drawn = [("on the Pareto front", best, FRONT)]
    drawn += [(form, own, LOOKS[form]) for form in FORMS if (own := [file for file in measured if file.form == form])]
    lines = tuple(
        Line(
            name=name,
            x=tuple(getattr(file, cost) for file in own),
            y=tuple(file.validation for file in own),
            look=look,
            notes=tuple((f"{file.series}, {file.percentage:g}%", f"{file.test:.4f}") for file in own),
        )
        for name, own, look in drawn
    )
    alt = f"Validation accuracy of {len(measured)} files against {axis.label}; {len(best)} are on the Pareto front."
    return Chart(f"files_{cost}", title, alt, axis, Axis("validation accuracy"), lines, HOVER, legend=True)


def _table(files: Sequence[File], fronts: dict[str, list[File]]) -> Sheet:
    """All files by bytes, those on a front marked."""
    best = {word: set(fronts[cost]) for word, cost in (("bytes", "size"), ("time", "milliseconds"))}
    lines = []
    for file in sorted(files, key=lambda file: file.size):
        time = UNSTEADY if file.unsteady else "" if file.milliseconds is None else f"{file.milliseconds:.4g}"
        lines.append(
            [
                Cell(file.series),
                _numeric(f"{file.percentage:g}", file.percentage),
                Cell(file.form),
                _numeric(f"{file.validation:.4f}", file.validation),
                _numeric(f"{file.test:.4f}", file.test),
                _numeric(f"{file.size:,.0f}", file.size),
                _numeric(time, file.milliseconds),
                Cell(" and ".join(word for word in best if file in best[word])),
            ]
        )
    return Sheet([Heading(*heading) for heading in HEADINGS], lines)


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _numeric(text: str, value: float | None) -> Cell:
    return Cell(text, "" if value is None else f"{value:.9g}")
