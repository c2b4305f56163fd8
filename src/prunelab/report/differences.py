"""The comparison behind each verdict as a table of the page: every other series against the one that goes furthest."""

from __future__ import annotations

from typing import Any

from prunelab.report.chance import POWER
from prunelab.report.findings import POINTS, points
from prunelab.report.results import Results
from prunelab.report.rivals import Rival, Standing
from prunelab.report.tables import Cell, Heading, Sheet

HEADINGS = (
    ("series", False),
    ("points less", True),
    ("interval", False),
    ("told apart", False),
    ("n", True),
    (f"power for {POINTS}", True),
    (f"n for {100 * POWER:g}% power", True),
)


def differences(results: Results) -> list[dict[str, Any]]:
    """A table for each verdict that compares over several seeds, with its title; the nearest rival first."""
    return [_table(each) for each in results.standings if any(map(_compared, each.rivals))]


def _table(standing: Standing) -> dict[str, Any]:
    assert standing.drop is not None
    ordered = sorted(filter(_compared, standing.rivals), key=lambda rival: rival.lead.mean if rival.lead else 0.0)
    place = f" on {', '.join(standing.family.place)}" if standing.family.place else ""
    return {
        "title": f"Against {standing.best} at {standing.drop.percentage:g}% of the {standing.family.unit}{place}",
        "sheet": Sheet([Heading(*heading) for heading in HEADINGS], [_line(rival) for rival in ordered]),
    }


def _line(rival: Rival) -> list[Cell]:
    lead = rival.lead
    assert lead is not None
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


def _compared(rival: Rival) -> bool:
    return rival.lead is not None and rival.lead.n > 1
