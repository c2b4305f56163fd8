"""What a sweep found, in sentences computed from its rows."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from prunelab import names
from prunelab.report.results import EMPTIED, Results
from prunelab.report.series import unpruned
from prunelab.report.speed import batch_sizes, measured_with

TOLERANCE = 0.01


def findings(results: Results) -> list[str]:
    """For each series: how far it can go, where it falls, and which layer empties first."""
    table = results.table
    sentences = [
        f"The {what.replace('unpruned', 'unpruned network', 1)}: test accuracy {dense[names.BASELINE_ACCURACY]:.4f}, "
        f"loss {dense[names.BASELINE_LOSS]:.4f}."
        for what, dense in unpruned(results.rows).items()
    ]
    for series in dict.fromkeys(table["series"]):
        part = table[table["series"] == series]
        words = [_reach(part), _fall(part), _speed(part), _emptied(part)]
        sentences.append(f"{series}: " + "; ".join(word for word in words if word) + ".")
    if names.SPEED_NOT_MEASURED in results.rows and results.rows[names.SPEED_NOT_MEASURED].notna().any():
        reasons = results.rows[names.SPEED_NOT_MEASURED].dropna().unique()
        sentences.append(f"Of some jobs the speed was not measured: {'; '.join(reasons)}.")
    if names.SPEED_UNSTEADY in results.rows and (unsteady := int(results.rows[names.SPEED_UNSTEADY].notna().sum())):
        sentences.append(
            f"The machine was not steady while the speed of {unsteady} of {len(results.rows)} jobs was measured (times "
            f"scatter by more than a fifth; tag {names.SPEED_UNSTEADY}): those are left out. Measure on a quiet one."
        )
    if (runtime := measured_with(results.rows)) != "":
        sentences.append(f"Times are of {runtime}.")
    return sentences


def reach(part: pd.DataFrame, tolerance: float = TOLERANCE) -> pd.Series | None:
    """The row of the largest percentage up to which a series stays within `tolerance` of its reference (validation)."""
    within = reference(part)[names.VAL_ACCURACY] - part[names.VAL_ACCURACY] <= tolerance
    held = part[within.cummin()]
    return None if held.empty else held.iloc[-1]


def reference(part: pd.DataFrame) -> dict[str, float]:
    """Accuracies of what a series is fairly compared with: the unpruned network treated alike.

    That is its own percentage 0, which for a recovery that trains is the baseline trained equally longer; a series
    without one is compared with the baseline.
    """
    unpruned = part[part[names.PERCENTAGE] == 0]
    if unpruned.empty:
        first = part.iloc[0]
        return {
            names.VAL_ACCURACY: float(first[names.BASELINE_VAL_ACCURACY]),
            names.TEST_ACCURACY: float(first[names.BASELINE_ACCURACY]),
        }
    return {name: float(unpruned.iloc[0][name]) for name in (names.VAL_ACCURACY, names.TEST_ACCURACY)}


def trained_longer(part: pd.DataFrame) -> bool:
    """Whether what a series is compared with is not the baseline itself, but more training of it."""
    return abs(reference(part)[names.TEST_ACCURACY] - float(part.iloc[0][names.BASELINE_ACCURACY])) >= 1e-9


def _reach(part: pd.DataFrame) -> str:
    row = reach(part)
    if row is None:
        return f"never within {TOLERANCE * 100:g} point of {_what(part)} on validation"
    if row[names.PERCENTAGE] == 0:
        return f"nothing tried stays within {TOLERANCE * 100:g} point of {_what(part)} on validation"
    return (
        f"within {TOLERANCE * 100:g} point of {_what(part)} up to {row[names.PERCENTAGE]:g}% (chosen on validation; "
        f"test accuracy {row[names.TEST_ACCURACY]:.4f} there, {row[names.COMPRESSION_RATIO]:.1f}x fewer parameters)"
    )


def _what(part: pd.DataFrame) -> str:
    """The baseline, or what the same further training makes of it."""
    if not trained_longer(part):
        return "the baseline"
    return f"the unpruned network trained equally longer (test accuracy {reference(part)[names.TEST_ACCURACY]:.4f})"


def _fall(part: pd.DataFrame) -> str:
    points = list(zip(part[names.PERCENTAGE], part[names.TEST_ACCURACY], strict=True))
    steps = [(before[1] - after[1], before, after) for before, after in pairwise(points)]
    if not steps or max(steps)[0] <= TOLERANCE:
        return ""
    _, before, after = max(steps)
    return f"falls most between {before[0]:g}% and {after[0]:g}%, from {before[1]:.4f} to {after[1]:.4f}"


def _speed(part: pd.DataFrame) -> str:
    """How much faster it is where it still holds, and where a sparse form would be slower than the dense network."""
    words = []
    row = reach(part)
    for batch in batch_sizes(part.columns)[-1:]:  # the largest is spoken of
        if row is not None and row[names.PERCENTAGE] > 0 and not pd.isna(row.get(names.speedup(batch))):
            form = row[f"{names.FASTEST}batch_{batch}"]
            times = f"{row[names.speedup(batch)]:.1f}"
            faster = "no faster" if times == "1.0" else f"{times}x as fast"
            words.append(f"measured there {faster} ({form}, batch of {batch})")
        sparse = part.get(names.latency(batch, "csr"))
        if sparse is None or not sparse.notna().any():
            continue
        slower = part[sparse > part[names.latency(batch, "dense")]]
        if not slower.empty:
            words.append(f"as a sparse matrix slower than dense at {_percentages(slower)}")
    return "; ".join(words)


def _percentages(part: pd.DataFrame) -> str:
    return ", ".join(f"{percentage:g}%" for percentage in part[names.PERCENTAGE])


def _emptied(part: pd.DataFrame) -> str:
    some = part[part[EMPTIED] != ""]
    if some.empty:
        return "no layer is emptied"
    first, *others = str(some.iloc[0][EMPTIED]).split(", ")
    more = "is" if not others else f"and {others[0]} are" if len(others) == 1 else f"and {len(others)} more are"
    return f"{first} {more} emptied first, at {some.iloc[0][names.PERCENTAGE]:g}%"
