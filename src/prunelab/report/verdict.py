"""What a sweep comes to, in one sentence for each kind of unit."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from prunelab import names
from prunelab.report.findings import TOLERANCE, reach, reference, trained_longer
from prunelab.report.results import Results
from prunelab.report.series import COUNTED, PERCENTAGE_OF, UNITS, varied

POINTS = f"{TOLERANCE * 100:g} point"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and the numbers that it rests on."""

    answer: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.answer} {self.evidence}"


def verdicts(results: Results) -> list[Verdict]:
    """Which series removes most weights, and which most neurons, within the tolerance; on each data set and network.

    Where percentages count parameters or multiply-adds, whose series all compare, it is which removes most of them.
    Chosen on validation; test is reported.
    """
    rows = results.labelled
    granularity = rows["granularity"] if "granularity" in rows else pd.Series("", rows.index)
    units = rows[PERCENTAGE_OF].map(COUNTED).fillna(granularity.map(UNITS)).fillna("units")
    table = results.table
    kinds = rows.groupby([*varied(rows, ("data", "model")), units.rename("of")], sort=False)["series"].unique()
    return [
        _verdict([table[table["series"] == name] for name in series], str(unit), [str(word) for word in place])
        for (*place, unit), series in zip(_tuples(kinds.index), kinds, strict=True)
    ]


def _verdict(parts: list[pd.DataFrame], unit: str, place: list[str]) -> Verdict:
    on = f" (on {', '.join(place)})" if place else ""
    if all((part[names.PERCENTAGE] == 0).all() for part in parts):
        return Verdict(f"No {unit} were removed", f"in this sweep{on}.")
    far = [(part, row) for part in parts if (row := reach(part)) is not None and row[names.PERCENTAGE] > 0]
    if not far:
        return Verdict(
            f"No tried share of the {unit} can go",
            f"for at most {POINTS} of validation accuracy{on}. {_nearest(parts)}",
        )
    part, row = max(far, key=lambda held: (held[1][names.PERCENTAGE], held[1][names.VAL_ACCURACY]))
    longer = " trained equally longer" if trained_longer(part) else ""
    rivals = f"; no other of {len(parts)} series goes further" if len(parts) > 1 else ""
    return Verdict(
        f"{row['series']} removes {row[names.PERCENTAGE]:g}% of the {unit}",
        f"for at most {POINTS} of validation accuracy{on}. Test accuracy there is {_with_spread(row)}, against "
        f"{reference(part)[names.TEST_ACCURACY]:.4f} of the unpruned network{longer}, with "
        f"{row[names.COMPRESSION_RATIO]:.1f}x fewer parameters{rivals}.",
    )


def _nearest(parts: list[pd.DataFrame]) -> str:
    """How near the best series comes with the least that was removed."""
    tried = [part[part[names.PERCENTAGE] > 0] for part in parts]
    row = max((part.iloc[0] for part in tried if not part.empty), key=lambda row: float(row[names.VAL_ACCURACY]))
    return (
        f"The nearest is {row['series']} at {row[names.PERCENTAGE]:g}%: test accuracy {_with_spread(row)}, "
        f"against {row[names.BASELINE_ACCURACY]:.4f} of the unpruned network."
    )


def _with_spread(row: pd.Series) -> str:
    text = f"{row[names.TEST_ACCURACY]:.4f}"
    return text if row["n"] == 1 else f"{text} ± {row[f'sd {names.TEST_ACCURACY}']:.4f} (n = {row['n']:.0f})"


def _tuples(index: pd.Index) -> list[tuple[str, ...]]:
    """The keys of a grouping by one column or by several, alike."""
    return [key if isinstance(key, tuple) else (key,) for key in index]
