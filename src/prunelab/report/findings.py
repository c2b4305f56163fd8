"""What a sweep found, in sentences computed from its rows."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from prunelab import names
from prunelab.report.reach import TOLERANCE, Drop
from prunelab.report.report_seeds import said_of_seeds
from prunelab.report.results import BAR, EMPTIED, Results
from prunelab.report.rivals import Rival, Standing
from prunelab.report.speed import batch_sizes, measured_with

POINTS = f"{TOLERANCE * 100:g} point"


def findings(results: Results) -> list[str]:
    """A sentence for each unpruned network and each series, then remarks on seeds and on measured speed."""
    sentences = [
        f"The {label.replace('unpruned', 'unpruned network', 1)}: test accuracy {values[names.BASELINE_ACCURACY]:.4f}, "
        f"loss {values[names.BASELINE_LOSS]:.4f}."
        for label, values in results.unpruned.items()
    ]
    standings = {name: each for each in results.standings for name in each.family.series}
    rivals = {rival.series: rival for each in results.standings for rival in each.rivals}
    for name, part in results.parts.items():
        parts = [_reach(results, name), _beside_best(standings[name], rivals.get(name)), _fall(part)]
        parts += [_speed(results, name, part), _emptied(part)]
        sentences.append(f"{name}: {'; '.join(filter(None, parts))}.")
    remarks = [*_speed_remarks(results.rows), said_of_seeds(results.table)]
    return [*sentences, *([_single_network(results)] if results.seeds == 1 else []), *filter(None, remarks)]


def treatment(results: Results, series: str) -> str:
    """What was done to the reference, to follow `the unpruned network`; empty if it is the baseline itself.

    Older stores do not record whether a recovery trains; estimating BatchNorm's statistics again is no training.
    """
    rows = results.labelled_parts[series]
    if abs(results.references[series] - float(rows[names.BASELINE_ACCURACY].mean())) < 1e-9:
        return ""
    return " given the same extra training" if _trains(rows) else " treated alike"


def points(fraction: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * fraction:.2f}"


def bounded(drop: Drop) -> str:
    """The mean drop and its upper bound: `0.24 points, at most 0.41`."""
    bound = "" if drop.mean.n == 1 else f", at most {points(drop.bound)}"
    return f"{points(drop.mean.mean)} points{bound}"


def interval(rival: Rival, sign: int = 1) -> str:
    """The best one's lead over a rival in points, with its interval; `sign` -1 for the rival's over the best."""
    lead = rival.lead
    low, high = sorted((sign * lead.low, sign * lead.high))
    ends = "" if lead.n == 1 else f" [{points(low)}, {points(high)}]"
    return f"{points(sign * lead.mean)}{ends}"


def enough(rival: Rival) -> str:
    """How many seeds would tell a rival apart: `about 14 would`."""
    if rival.needed is None:
        return "no practical number of seeds would" if rival.lead.mean else "they are alike"
    return f"about {max(rival.needed, rival.lead.n + 1)} would"


def _trains(rows: pd.DataFrame) -> bool:
    return names.RECOVERY_TRAINS in rows and bool((rows[names.RECOVERY_TRAINS] == "true").any())


def _reach(results: Results, series: str) -> str:
    """Up to which percentage it stays within the tolerance, and whether the seeds leave the next one open."""
    reached, what = results.reaches[series], _reference_in_words(results, series)
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


def _reference_in_words(results: Results, series: str) -> str:
    treated = treatment(results, series)
    if treated:
        return f"the unpruned network{treated} (test accuracy {results.references[series]:.4f})"
    part = results.labelled_parts[series]
    untreated = _trains(part) and not (part[names.PERCENTAGE] == 0).any()
    return "the baseline" + (", which had no extra training (percentage 0 is missing)," if untreated else "")


def _beside_best(standing: Standing, rival: Rival | None) -> str:
    """The difference to the best series, at the percentage that this one reaches."""
    if rival is None or not rival.compared or standing.drop is None:
        return ""
    known = "" if rival.apart else f", not told apart by {rival.lead.n} seeds ({enough(rival)})"
    sign, word = (1, "less") if rival.lead.mean >= 0 else (-1, "more")
    return (
        f"at {standing.drop.percentage:g}% it keeps {interval(rival, sign)} points {word} validation accuracy than "
        f"{standing.best}{known}"
    )


def _fall(part: pd.DataFrame) -> str:
    """The step between two percentages that loses most test accuracy, if it loses more than the tolerance."""
    tried = list(zip(part[names.PERCENTAGE], part[names.TEST_ACCURACY], strict=True))
    steps = [(before[1] - after[1], before, after) for before, after in pairwise(tried)]
    if not steps or max(steps)[0] <= TOLERANCE:
        return ""
    _, before, after = max(steps)
    return f"falls most between {before[0]:g}% and {after[0]:g}%, from {before[1]:.4f} to {after[1]:.4f}"


def _speed(results: Results, series: str, part: pd.DataFrame) -> str:
    """At the largest batch: the speedup where it still holds, and where a sparse form is slower than the dense one."""
    words = []
    held = results.reaches[series].held
    for batch in batch_sizes(part.columns)[-1:]:
        speedup = names.speedup(batch)
        if held is not None and not pd.isna((row := results.at(series, held.percentage)).get(speedup)):
            form = row[f"{names.FASTEST}batch_{batch}"]
            times = f"{row[speedup]:.1f}"
            spread = f" ± {row[BAR + speedup]:.1f}" if row["n"] > 1 else ""
            faster = "no faster" if times == "1.0" else f"{times}{spread}x as fast"
            words.append(f"at {held.percentage:g}% measured {faster} ({form}, batch of {batch})")
        sparse = part.get(names.latency(batch, "csr"))
        if sparse is not None:
            slower = part.loc[sparse > part[names.latency(batch, "dense")], names.PERCENTAGE]
            where = ", ".join(f"{percentage:g}%" for percentage in slower)
            words += [f"as a sparse matrix slower than dense at {where}"] * bool(where)
    return "; ".join(words)


def _emptied(part: pd.DataFrame) -> str:
    some = part[part[EMPTIED] != ""]
    if some.empty:
        return "no layer is emptied" if (part[names.PERCENTAGE] > 0).any() else ""
    first, *others = str(some.iloc[0][EMPTIED]).split(", ")
    more = "is" if not others else f"and {others[0]} are" if len(others) == 1 else f"and {len(others)} more are"
    return f"{first} {more} emptied first, at {some.iloc[0][names.PERCENTAGE]:g}%"


def _single_network(results: Results) -> str:
    seeds = ", ".join(dict.fromkeys(results.rows["seed"].astype(str)))
    return (
        f"Every value is from a single trained network (seed {seeds}); another seed may give other values. Several "
        "seeds, as in seed=0,1,2,3,4, show how far they vary."
    )


def _speed_remarks(rows: pd.DataFrame) -> list[str]:
    """Which speeds are missing, which are left out as unsteady, and with what the others were measured."""
    remarks = []
    if names.SPEED_NOT_MEASURED in rows and (reasons := list(rows[names.SPEED_NOT_MEASURED].dropna().unique())):
        remarks.append(f"The speed of some jobs was not measured: {'; '.join(reasons)}.")
    if names.SPEED_UNSTEADY in rows and (unsteady := int(rows[names.SPEED_UNSTEADY].notna().sum())):
        remarks.append(
            f"Timing was unstable in {unsteady} of {len(rows)} jobs (times "
            "scatter by more than a fifth, the unpruned network timed twice differs by more than a tenth, or other "
            f"processes took the cores; tag {names.SPEED_UNSTEADY}); these times are left out. Use an idle machine."
        )
    if runtime := measured_with(rows):
        remarks.append(f"Times were measured with {runtime}.")
    return remarks
