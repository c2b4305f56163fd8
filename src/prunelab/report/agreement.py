"""Whether a run that was repeated came out the same, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.table import Table
from rich.text import Text

from prunelab import names


class Verdict(Enum):
    """What comparing two values came to, in words; in order of gravity."""

    MEASURED = "measured, not compared"
    ADDED = "not recorded then"
    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    DIFFERENT = "different"
    MISSING = "missing now"


COLOURS = {
    Verdict.IDENTICAL: "green",
    Verdict.WITHIN: "yellow",
    Verdict.DIFFERENT: "red",
    Verdict.MISSING: "red",
}
"""How a verdict looks on a terminal; those without a colour were not compared."""
FAILURES = (Verdict.DIFFERENT, Verdict.MISSING)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric, then and now, as a person reads it."""

    name: str
    then: str
    now: str
    verdict: Verdict


def compare(then: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> list[Row]:
    """Every metric of either side; `tolerance` is absolute or relative to the larger value, whichever is kinder."""
    rows = []
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name), now.get(name)
        rows.append(Row(name, _written(old), _written(new), _verdict(name, old, new, tolerance)))
    return rows


def compare_curves(
    then: Mapping[str, Mapping[int, float]], now: Mapping[str, Mapping[int, float]], tolerance: float
) -> list[Row]:
    """The same for values per epoch: a row for each metric, with its last value and the verdict of its worst epoch."""
    rows = []
    for name in sorted(then.keys() | now.keys()):
        old, new = then.get(name, {}), now.get(name, {})
        verdicts = [_verdict(name, old.get(step), new.get(step), tolerance) for step in old.keys() | new.keys()]
        worst = max(verdicts, key=list(Verdict).index, default=Verdict.IDENTICAL)
        rows.append(Row(f"{name} ({len(old)} epochs)", _last(old), _last(new), worst))
    return rows


def as_rich(title: str, rows: Sequence[Row]) -> Table:
    """For the terminal."""
    table = Table(title=title, title_justify="left")
    for heading in ("metric", "recorded", "now", "verdict"):
        table.add_column(heading, justify="right" if heading in ("recorded", "now") else "left", overflow="fold")
    for row in rows:
        table.add_row(row.name, row.then, row.now, Text(row.verdict.value, style=COLOURS.get(row.verdict, "dim")))
    return table


def summary(rows: Sequence[Row]) -> str:
    """How many of the compared metrics agree."""
    compared = [row for row in rows if row.verdict in COLOURS]
    identical = sum(row.verdict is Verdict.IDENTICAL for row in compared)
    if identical == len(compared):
        return f"Reproduced: all {identical} compared metrics are identical to the last digit."
    within = sum(row.verdict is Verdict.WITHIN for row in compared)
    failed = len(compared) - identical - within
    counts = f"{identical} identical, {within} within the tolerance, {failed} different"
    if failed:
        return f"Not reproduced: of {len(compared)} compared metrics {counts}."
    return f"Reproduced within the tolerance: of {len(compared)} compared metrics {counts}."


def _verdict(name: str, then: float | None, now: float | None, tolerance: float) -> Verdict:
    if name.startswith(names.MEASURED):
        return Verdict.MEASURED
    if then is None:
        return Verdict.ADDED
    if now is None:
        return Verdict.MISSING
    if then == now or (math.isnan(then) and math.isnan(now)):
        return Verdict.IDENTICAL
    return Verdict.WITHIN if math.isclose(then, now, rel_tol=tolerance, abs_tol=tolerance) else Verdict.DIFFERENT


def _written(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1 else repr(value)


def _last(curve: Mapping[int, float]) -> str:
    return _written(curve[max(curve)]) if curve else ""
