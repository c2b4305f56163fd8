"""What a sweep found, in sentences computed from its rows."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from prunelab import names
from prunelab.report.reach import TOLERANCE, Drop
from prunelab.report.report_seeds import said_of_seeds
from prunelab.report.results import BAR, EMPTIED, Results
from prunelab.report.rivals import Rival, Standing
from prunelab.report.series import unpruned
from prunelab.report.speed import batch_sizes, measured_with

POINTS = f"{TOLERANCE * 100:g} point"


def findings(results: Results) -> list[str]:
    """For each series: how far it can go and how sure that is, where it falls, and which layer empties first."""
    sentences = [
        f"The {what.replace('unpruned', 'unpruned network', 1)}: test accuracy {dense[names.BASELINE_ACCURACY]:.4f}, "
        f"loss {dense[names.BASELINE_LOSS]:.4f}."
        for what, dense in unpruned(results.rows).items()
    ]
    standings = {name: each for each in results.standings for name in each.family.series}
    for series, part in results.table.groupby("series", sort=False):
        name = str(series)
        words = [_reach(results, name), _beside_best(standings[name], name), _fall(part), _speed(results, name, part)]
        sentences.append(f"{name}: " + "; ".join(word for word in [*words, _emptied(part)] if word) + ".")
    if results.seeds == 1:
        sentences.append(single_network(results))
    if names.SPEED_NOT_MEASURED in results.rows and results.rows[names.SPEED_NOT_MEASURED].notna().any():
        reasons = results.rows[names.SPEED_NOT_MEASURED].dropna().unique()
        sentences.append(f"The speed of some jobs was not measured: {'; '.join(reasons)}.")
    if names.SPEED_UNSTEADY in results.rows and (unsteady := int(results.rows[names.SPEED_UNSTEADY].notna().sum())):
        sentences.append(
            f"The machine was not steady while the speed of {unsteady} of {len(results.rows)} jobs was measured (times "
            "scatter by more than a fifth, the unpruned network timed twice differs by more than a tenth, or other "
            f"processes took the cores; tag {names.SPEED_UNSTEADY}): those are left out. Measure on a quiet one."
        )
    if (runtime := measured_with(results.rows)) != "":
        sentences.append(f"Times were measured with {runtime}.")
    return [*sentences, *filter(None, [said_of_seeds(results.table)])]


def single_network(results: Results) -> str:
    """What one seed is worth."""
    seeds = ", ".join(dict.fromkeys(results.rows["seed"].astype(str)))
    return (
        f"Every value is from a single trained network (seed {seeds}); another seed may give other values. Several "
        "seeds, as in seed=0,1,2,3,4, show how far they vary."
    )


def reference(results: Results, series: str) -> dict[str, float]:
    """Mean accuracies of what a series is fairly compared with: the unpruned network treated alike.

    That is its own percentage 0, which for a recovery that trains is the baseline given the same extra training; a
    series without one is compared with the baseline.
    """
    part = results.table[results.table["series"] == series]
    alike = part[part[names.PERCENTAGE] == 0]
    if alike.empty:
        first = part.iloc[0]
        return {
            names.VAL_ACCURACY: float(first[names.BASELINE_VAL_ACCURACY]),
            names.TEST_ACCURACY: float(first[names.BASELINE_ACCURACY]),
        }
    return {name: float(alike.iloc[0][name]) for name in (names.VAL_ACCURACY, names.TEST_ACCURACY)}


def treatment(results: Results, series: str) -> str:
    """How the reference came about where it is not the baseline itself; nothing where it is.

    Older stores do not say whether a recovery trains, and BatchNorm's statistics estimated again are no training.
    """
    rows = results.labelled[results.labelled["series"] == series]
    if abs(reference(results, series)[names.TEST_ACCURACY] - float(rows[names.BASELINE_ACCURACY].mean())) < 1e-9:
        return ""
    return " given the same extra training" if _trains(rows) else " treated alike"


def _trains(rows: pd.DataFrame) -> bool:
    """Whether the recovery of these rows trains; older stores do not say."""
    return names.RECOVERY_TRAINS in rows and bool((rows[names.RECOVERY_TRAINS] == "true").any())


def points(fraction: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * fraction:.2f}"


def bounded(drop: Drop) -> str:
    """The mean drop, and what it is at most: `0.24 points, at most 0.41`."""
    of_one = drop.mean.n == 1
    return f"{points(drop.mean.mean)} points" + ("" if of_one else f", at most {points(drop.bound)}")


def interval(rival: Rival, sign: int = 1) -> str:
    """By how much the best keeps more than a rival, in points with the interval; with `sign` -1 the other way round."""
    lead = rival.lead
    assert lead is not None
    low, high = sorted((sign * lead.low, sign * lead.high))
    ends = "" if lead.n == 1 else f" [{points(low)}, {points(high)}]"
    return f"{points(sign * lead.mean)}{ends}"


def enough(rival: Rival) -> str:
    """How many seeds would tell a rival apart: `about 14 would`."""
    assert rival.lead is not None
    if rival.needed is None:
        return "no number of seeds worth running would" if rival.lead.mean else "they are alike"
    return f"about {max(rival.needed, rival.lead.n + 1)} would"


def _reach(results: Results, series: str) -> str:
    """Up to where it is within a point, with the bound; and what the seeds leave open beyond."""
    reached = results.reaches[series]
    what = _what(results, series)
    if not reached.drops:
        return ""
    held, beyond = reached.held, reached.next
    if held is None:
        words = f"nothing tried stays within {POINTS} of {what} on validation"
    else:
        row = results.at(series, held.percentage)
        sure = "" if held.mean.n == 1 else f"; it loses {bounded(held)} there"
        words = (
            f"within {POINTS} of {what} up to {held.percentage:g}% (chosen on validation{sure}; test accuracy "
            f"{row[names.TEST_ACCURACY]:.4f}, {row[names.COMPRESSION_RATIO]:.1f}x fewer parameters)"
        )
    if beyond is not None and reached.seeds > 1 and beyond.open:
        mean = beyond.mean
        ends = "" if mean.n == 1 else f" [{points(mean.low)}, {points(mean.high)}]"
        words += f"; {mean.n} seeds leave {beyond.percentage:g}% open, where it loses {points(mean.mean)} points{ends}"
    return words


def _what(results: Results, series: str) -> str:
    """The baseline, or what the same treatment makes of it."""
    treated = treatment(results, series)
    if not treated:
        part = results.labelled[results.labelled["series"] == series]
        untreated = _trains(part) and not (part[names.PERCENTAGE] == 0).any()
        return "the baseline" + (", which was not trained on: percentage 0 is missing," if untreated else "")
    return f"the unpruned network{treated} (test accuracy {reference(results, series)[names.TEST_ACCURACY]:.4f})"


def _beside_best(standing: Standing, series: str) -> str:
    """The difference to the series that goes furthest, where that one still holds."""
    rival = next((each for each in standing.rivals if each.series == series), None)
    if rival is None or rival.lead is None or rival.lead.n == 1 or standing.drop is None:
        return ""
    known = "" if rival.apart else f", not told apart by {rival.lead.n} seeds ({enough(rival)})"
    sign, word = (1, "less") if rival.lead.mean >= 0 else (-1, "more")
    return (
        f"at {standing.drop.percentage:g}% it keeps {interval(rival, sign)} points {word} validation accuracy than "
        f"{standing.best}{known}"
    )


def _fall(part: pd.DataFrame) -> str:
    points = list(zip(part[names.PERCENTAGE], part[names.TEST_ACCURACY], strict=True))
    steps = [(before[1] - after[1], before, after) for before, after in pairwise(points)]
    if not steps or max(steps)[0] <= TOLERANCE:
        return ""
    _, before, after = max(steps)
    return f"falls most between {before[0]:g}% and {after[0]:g}%, from {before[1]:.4f} to {after[1]:.4f}"


def _speed(results: Results, series: str, part: pd.DataFrame) -> str:
    """How much faster it is where it still holds, and where a sparse form would be slower than the dense network."""
    words = []
    held = results.reaches[series].held
    row = None if held is None else results.at(series, held.percentage)
    for batch in batch_sizes(part.columns)[-1:]:  # the largest is spoken of
        speedup = names.speedup(batch)
        if row is not None and not pd.isna(row.get(speedup)):
            form = row[f"{names.FASTEST}batch_{batch}"]
            times = f"{row[speedup]:.1f}"
            spread = f" ± {row[BAR + speedup]:.1f}" if row["n"] > 1 else ""
            faster = "no faster" if times == "1.0" else f"{times}{spread}x as fast"
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
