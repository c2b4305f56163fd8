"""The table that a reader sees first: what each series keeps at each percentage."""

from __future__ import annotations

from typing import Any

from prunelab import names
from prunelab.report.findings import reference
from prunelab.report.reach import TOLERANCE
from prunelab.report.results import BAR, Results
from prunelab.report.tables import cell

DROPS = (TOLERANCE, 5 * TOLERANCE, 20 * TOLERANCE)
"""Where the shades change: test accuracy lost, against what the series is fairly compared with."""


def kept(results: Results) -> dict[str, Any]:
    """Test accuracy by series and percentage: shaded by what is lost, with the choice made on validation marked."""
    table = results.table[["series", names.PERCENTAGE, "n", names.TEST_ACCURACY, BAR + names.TEST_ACCURACY]]
    percentages = sorted(table[names.PERCENTAGE].unique())
    lines = []
    for series, part in table.groupby("series", sort=False):
        held, whole = results.reaches[str(series)].held, reference(results, str(series))[names.TEST_ACCURACY]
        cells: dict[float, dict[str, Any]] = {
            row[names.PERCENTAGE]: {
                "text": f"{row[names.TEST_ACCURACY]:.3f}",
                "title": cell(row, names.TEST_ACCURACY),
                "shade": sum(whole - row[names.TEST_ACCURACY] <= drop for drop in DROPS),
                "chosen": held is not None and held.percentage == row[names.PERCENTAGE],
            }
            for row in part.to_dict("records")
        }
        lines.append({"series": series, "cells": [cells.get(percentage) for percentage in percentages]})
    return {"percentages": [f"{percentage:g}" for percentage in percentages], "lines": lines}
