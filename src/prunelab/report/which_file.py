"""Which file to take: every network of a sweep as the files that it can be deployed as, by accuracy, bytes and time.

A file is on the Pareto front if no other is at least as good in both respects and better in one (Pareto 1906). The
accuracy by which that is decided is validation's; test is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunelab import names
from prunelab.report.charts import Axis, Chart, Line
from prunelab.report.looks import BASELINE_COLOUR, DASHES, NO_LINE, PALETTE, RING, STEPS
from prunelab.report.plots import Plot, plot
from prunelab.report.speed import UNSTEADY, batch_sizes, mark
from prunelab.report.tables import Cell, Heading, Sheet

COMPACTED = "compacted"
FORMS = ("ONNX, float32", "ONNX, int8", "safetensors")
LOOKS = {
    form: {"color": colour, "marker": marker, "linestyle": NO_LINE, "markersize": 5.5}
    for form, colour, marker in zip(FORMS, PALETTE, "oDs", strict=False)
}
ON_THE_FRONT = {
    **{"color": BASELINE_COLOUR, "marker": RING, "markersize": 12},
    **{"linestyle": DASHES[1], "drawstyle": STEPS},
}
HOVER = "<b>%{fullData.name}</b> %{customdata[0]}<br>validation %{y:.4f}, test %{customdata[1]}<br>%{x:,.4~g}"


@dataclass(frozen=True, slots=True)
class File:
    """One file: whose network, in which form, its mean accuracies, bytes, and milliseconds of a batch if known."""

    series: str
    percentage: float
    form: str
    validation: float
    test: float
    size: float
    milliseconds: float | None
    unsteady: bool


def files_of(table: pd.DataFrame) -> list[File]:
    """Every file that the jobs could be exported as, as far as it was measured; none where no ONNX model was."""
    if not {names.ONNX_BYTES, names.INT8_BYTES} & set(table.columns):
        return []
    size = next(iter(batch_sizes(table.columns)), None)
    times: dict[str, str] = {}
    if size is not None:
        times[FORMS[0]] = names.latency(size, COMPACTED)
        times[FORMS[1]] = names.int8(names.latency(size))
        times[FORMS[2]] = names.latency(size, f"eager_{COMPACTED}")
    columns = {
        FORMS[0]: (names.VAL_ACCURACY, names.TEST_ACCURACY, names.ONNX_BYTES),
        FORMS[1]: (names.INT8_VAL_ACCURACY, names.INT8_ACCURACY, names.INT8_BYTES),
        FORMS[2]: (names.VAL_ACCURACY, names.TEST_ACCURACY, names.FILE_BYTES),
    }
    found = []
    for row in table.to_dict("records"):
        for form, wanted in columns.items():
            validation, test, weight = (_number(row.get(column)) for column in wanted)
            if validation is None or test is None or weight is None:
                continue
            timed = times.get(form, "")
            time = _number(row.get(timed))
            shaken = time is None and row.get(mark(timed)) is True
            name, percentage = str(row["series"]), float(row[names.PERCENTAGE])
            found.append(File(name, percentage, form, validation, test, weight, time, shaken))
    return found


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def front(files: Sequence[File], cost: str) -> list[File]:
    """Those that no other beats in validation accuracy and in `cost` (size or milliseconds), the cheapest first."""
    able = [file for file in files if getattr(file, cost) is not None]
    best: list[File] = []
    for file in sorted(able, key=lambda file: (getattr(file, cost), -file.validation)):
        if not best or file.validation > best[-1].validation:
            best.append(file)
    return best


@dataclass(frozen=True, slots=True)
class Choice:
    """The section of the page: two plots, a table, and of how many images the times are."""

    plots: list[Plot]
    table: Sheet
    batch: int | None


def which_file(table: pd.DataFrame) -> Choice | None:
    """What there is to show; None where no file but the saved networks was measured."""
    files = files_of(table)
    if not files:
        return None
    batch = next(iter(batch_sizes(table.columns)), None)
    fronts = {cost: front(files, cost) for cost in ("size", "milliseconds")}
    images = "" if batch is None else "one image" if batch == 1 else f"{batch:,} images"
    plots = [
        _plot(files, fronts[cost], cost, title, label, tick)
        for cost, title, label, tick in (
            ("size", "Accuracy against bytes", "size of the file (bytes)", "{:g}B"),
            ("milliseconds", "Accuracy against time", f"milliseconds for {images}", "{:g}"),
        )
        if fronts[cost]
    ]
    return Choice(plots, _table(files, fronts), batch)


def _plot(files: Sequence[File], best: Sequence[File], cost: str, title: str, label: str, tick: str) -> Plot:
    able = [file for file in files if getattr(file, cost) is not None]
    lines = [_line("on the Pareto front", best, cost, ON_THE_FRONT)]
    lines += [_line(form, own, cost, LOOKS[form]) for form in FORMS if (own := [f for f in able if f.form == form])]
    says = f"Validation accuracy of {len(able)} files against {label}; {len(best)} of them are on the Pareto front."
    axes = Axis(label, tick), Axis("validation accuracy")
    return plot(Chart(f"files_{cost}", title, says, *axes, tuple(lines), HOVER), legend=True)


def _line(name: str, files: Sequence[File], cost: str, look: dict[str, Any]) -> Line:
    x, y = tuple(getattr(file, cost) for file in files), tuple(file.validation for file in files)
    return Line(name, x, y, look, notes=tuple((f"{f.series}, {f.percentage:g}%", f"{f.test:.4f}") for f in files))


def _table(files: Sequence[File], fronts: dict[str, list[File]]) -> Sheet:
    texts = ("method", "form", "Pareto front")
    headings = ("method", "%", "form", "validation accuracy", "test accuracy", "bytes", "ms", "Pareto front")
    lines = []
    for file in sorted(files, key=lambda file: file.size):
        on = [word for word, cost in (("bytes", "size"), ("time", "milliseconds")) if file in fronts[cost]]
        time = UNSTEADY if file.unsteady else "" if file.milliseconds is None else f"{file.milliseconds:.4g}"
        lines.append(
            [
                Cell(file.series),
                _number_cell(f"{file.percentage:g}", file.percentage),
                Cell(file.form),
                _number_cell(f"{file.validation:.4f}", file.validation),
                _number_cell(f"{file.test:.4f}", file.test),
                _number_cell(f"{file.size:,.0f}", file.size),
                _number_cell(time, file.milliseconds),
                Cell(" and ".join(on)),
            ]
        )
    return Sheet([Heading(text, text not in texts) for text in headings], lines)


def _number_cell(text: str, value: float | None) -> Cell:
    return Cell(text, "" if value is None else f"{value:.9g}")
