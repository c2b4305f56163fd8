"""Measured speed: the batch sizes it was measured at, the runtime, and unsteady times left out."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from prunelab import names

UNSTEADY = "unsteady"
"""Stands in a cell in place of a number."""
_OF_BATCH = re.compile(rf"(?:{names.INT8})?(?:{names.SPEEDUP}|{names.LATENCY}).*batch_(\d+)(?:_ms)?$")


def batch_sizes(columns: Iterable[object]) -> list[int]:
    """The batch sizes whose speedup is among the columns, ascending."""
    found = (re.fullmatch(rf"{names.SPEEDUP}batch_(\d+)", str(column)) for column in columns)
    return sorted(int(match[1]) for match in found if match)


def only_steady(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without unsteady times; columns `unsteady <metric>` (`mark`) are true where one was left out."""
    if names.SPEED_UNSTEADY not in rows:
        return rows
    rows = rows.copy()
    marks: dict[str, pd.Series] = {}
    for size in batch_sizes(rows.columns):
        scattered = rows[names.SPEED_UNSTEADY].fillna("").astype(str).str.contains(rf"batch {size}:", regex=True)
        if not scattered.any():
            continue
        for column in rows.columns:
            match = _OF_BATCH.match(str(column))
            if match and int(match[1]) == size:
                rows[column] = rows[column].mask(scattered)
                marks[mark(str(column))] = scattered
    return rows.assign(**marks)


def mark(column: str) -> str:
    """The column that is true where a value of this one was left out as unsteady."""
    return f"{UNSTEADY} {column}"


def measured_with(rows: pd.DataFrame) -> str:
    """The runtime of the measured times: `onnxruntime 1.32.0, 2 threads`; empty if none were measured."""
    if names.SPEED_RUNTIME not in rows:
        return ""
    parts = [part for text in rows[names.SPEED_RUNTIME].dropna() for part in str(text).split("; ")]
    return "; ".join(dict.fromkeys(parts))
