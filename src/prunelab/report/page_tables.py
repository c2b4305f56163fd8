"""Two tables of the page alone: what each series keeps at each percentage, and the comparison behind each verdict."""

from __future__ import annotations

from typing import Any

from prunelab import names
from prunelab.report.chance import POWER
from prunelab.report.findings import POINTS, points
from prunelab.report.reach import TOLERANCE
from prunelab.report.results import Results
from prunelab.report.rivals import Rival, Standing
from prunelab.report.tables import Cell, Heading, Sheet, text_of

DROPS = (TOLERANCE, 5 * TOLERANCE, 20 * TOLERANCE)
"""Test accuracy lost against the reference at which the shade of a cell changes."""
HEADINGS = (
    *(("series", False), ("points less", True), ("interval", False), ("told apart", False), ("n", True)),
    *((f"power for {POINTS}", True), (f"n for {100 * POWER:g}% power", True)),
)


def kept(results: Results) -> dict[str, Any]:
    """Test accuracy by series and percentage: shaded by what is lost, with the choice made on validation marked."""
    percentages = sorted(results.table[names.PERCENTAGE].unique())
    lines = []
    for series, part in results.parts.items():
        held, whole = results.reaches[series].held, results.references[series]
        cells: dict[float, dict[str, Any]] = {
            row[names.PERCENTAGE]: {
                "text": f"{row[names.TEST_ACCURACY]:.3f}",
                "title": text_of(row, names.TEST_ACCURACY),
                "shade": sum(whole - row[names.TEST_ACCURACY] <= drop for drop in DROPS),
                "chosen": held is not None and held.percentage == row[names.PERCENTAGE],
            }
            for row in part.to_dict("records")
        }
        lines.append({"series": series, "cells": [cells.get(percentage) for percentage in percentages]})
    return {"percentages": [f"{percentage:g}" for percentage in percentages], "lines": lines}


def differences(results: Results) -> list[dict[str, Any]]:
    """For each verdict that compares over several seeds, every other series against the best, the nearest first."""
    return [_difference(each) for each in results.standings if any(rival.compared for rival in each.rivals)]


def _difference(standing: Standing) -> dict[str, Any]:
    assert standing.drop is not None
    compared = [rival for rival in standing.rivals if rival.compared]
    ordered = sorted(compared, key=lambda rival: rival.lead.mean)
    place = f" on {', '.join(standing.family.place)}" if standing.family.place else ""
    return {
        "title": f"Against {standing.best} at {standing.drop.percentage:g}% of the {standing.family.unit}{place}",
        "sheet": Sheet([Heading(*heading) for heading in HEADINGS], [_line(rival) for rival in ordered]),
    }


def _line(rival: Rival) -> list[Cell]:
    lead = rival.lead
    needed = "" if rival.apart else "more than is practical" if rival.needed is None else f"{rival.needed}"
    cells = (
        rival.series,
        points(lead.mean),
        f"{points(lead.low)} to {points(lead.high)} ({100 * lead.level:.3g}%)",
        "yes" if rival.apart else "no",
        str(lead.n),
        f"{100 * rival.power:.0f}%",
        needed,
    )
    return list(map(Cell, cells))
