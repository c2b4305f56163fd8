"""Whether a run that was repeated came out the same, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.table import Table
from rich.text import Text

from prunelab import names


class Agreement(Enum):
    """The result of comparing two values, from harmless to serious."""

    MEASURED = "measured, not compared"
    ADDED = "not recorded then"
    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    DIFFERENT = "different"
    MISSING = "missing now"


COLOURS = {
    Agreement.IDENTICAL: "green",
    Agreement.WITHIN: "yellow",
    Agreement.DIFFERENT: "red",
    Agreement.MISSING: "red",
}
"""The colour on a terminal of what was compared; the others are dim."""
FAILURES = (Agreement.DIFFERENT, Agreement.MISSING)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric then and now, as texts."""

    name: str
    then: str
    now: str
    agreement: Agreement


def compare_metrics(then: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> list[Row]:
    """Every metric of either side; `tolerance` is absolute or relative to the larger value, whichever allows more."""
    return [
        Row(name, _written(old), _written(new), _agreement(name, old, new, tolerance))
        for name, old, new in ((name, then.get(name), now.get(name)) for name in sorted(then.keys() | now.keys()))
    ]


def compare_curves(
    then: Mapping[str, Mapping[int, float]], now: Mapping[str, Mapping[int, float]], tolerance: float
) -> list[Row]:
    """The same for values per epoch: a row for each metric with its last value and the agreement of its worst epoch."""
    rows = []
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name, {}), now.get(name, {})
        every = [_agreement(name, old.get(step), new.get(step), tolerance) for step in old.keys() | new.keys()]
        worst = max(every, key=list(Agreement).index, default=Agreement.IDENTICAL)
        last_old, last_new = (_written(curve[max(curve)] if curve else None) for curve in (old, new))
        rows.append(Row(f"{name} ({len(old)} epochs)", last_old, last_new, worst))
    return rows


def as_rich(title: str, rows: Sequence[Row]) -> Table:
    """For the terminal."""
    table = Table(title=title, title_justify="left")
    for heading in ("metric", "recorded", "now", "verdict"):
        table.add_column(heading, justify="right" if heading in ("recorded", "now") else "left", overflow="fold")
    for row in rows:
        table.add_row(row.name, row.then, row.now, Text(row.agreement.value, style=COLOURS.get(row.agreement, "dim")))
    return table


def summary(rows: Sequence[Row]) -> str:
    """How many of the compared metrics agree."""
    compared = [row for row in rows if row.agreement in COLOURS]
    identical = sum(row.agreement is Agreement.IDENTICAL for row in compared)
    if identical == len(compared):
        return f"Reproduced: all {identical} compared metrics are identical to the last digit."
    within = sum(row.agreement is Agreement.WITHIN for row in compared)
    failed = len(compared) - identical - within
    counts = f"{identical} identical, {within} within the tolerance, {failed} different"
    if failed:
        return f"Not reproduced: of {len(compared)} compared metrics {counts}."
    return f"Reproduced within the tolerance: of {len(compared)} compared metrics {counts}."


def _agreement(name: str, then: float | None, now: float | None, tolerance: float) -> Agreement:
    if name.startswith(names.MEASURED):
        return Agreement.MEASURED
    if then is None:
        return Agreement.ADDED
    if now is None:
        return Agreement.MISSING
    if then == now or (math.isnan(then) and math.isnan(now)):
        return Agreement.IDENTICAL
    close = math.isclose(then, now, rel_tol=tolerance, abs_tol=tolerance)
    return Agreement.WITHIN if close else Agreement.DIFFERENT


def _written(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1 else repr(value)
