"""The table that a reader sees first: what each series keeps at each percentage."""

from __future__ import annotations

from typing import Any

import pandas as pd

from prunelab import names
from prunelab.report.findings import TOLERANCE, reach, reference
from prunelab.report.tables import cell

DROPS = (TOLERANCE, 5 * TOLERANCE, 20 * TOLERANCE)
"""Where the shades change: test accuracy lost, against what the series is fairly compared with."""

USED = (names.TEST_ACCURACY, names.VAL_ACCURACY, names.BASELINE_ACCURACY, names.BASELINE_VAL_ACCURACY)


def kept(table: pd.DataFrame) -> dict[str, Any]:
    """Test accuracy by series and percentage: shaded by what is lost, with the choice made on validation marked."""
    table = table[["series", names.PERCENTAGE, "n", *USED, f"sd {names.TEST_ACCURACY}"]]
    percentages = sorted(table[names.PERCENTAGE].unique())
    lines = []
    for series, part in table.groupby("series", sort=False):
        chosen, whole = reach(part), reference(part)[names.TEST_ACCURACY]
        cells: dict[float, dict[str, Any]] = {
            row[names.PERCENTAGE]: {
                "text": f"{row[names.TEST_ACCURACY]:.3f}",
                "title": cell(row, names.TEST_ACCURACY),
                "shade": sum(whole - row[names.TEST_ACCURACY] <= drop for drop in DROPS),
                "chosen": chosen is not None and chosen[names.PERCENTAGE] == row[names.PERCENTAGE],
            }
            for row in part.to_dict("records")
        }
        lines.append({"series": series, "cells": [cells.get(percentage) for percentage in percentages]})
    return {"percentages": [f"{percentage:g}" for percentage in percentages], "lines": lines}
