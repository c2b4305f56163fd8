"""What a sweep comes to, in one sentence for each kind of unit, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from prunelab import names
from prunelab.report.bars import LEVEL
from prunelab.report.chance import POWER
from prunelab.report.findings import POINTS, bounded, enough, interval, reference, treatment
from prunelab.report.reach import Drop
from prunelab.report.results import BAR, Results
from prunelab.report.rivals import Rival, Standing

NAMED = 3
"""So many rivals are named; more are counted."""
SURE = f"{100 * LEVEL:g}% confidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, the numbers that it rests on, and the comparison behind it."""

    answer: str
    evidence: str
    standing: Standing

    def __str__(self) -> str:
        return f"{self.answer} {self.evidence}"


def verdicts(results: Results) -> list[Verdict]:
    """Which series removes most weights, and which most neurons, within the tolerance; on each data set and network.

    Where percentages count parameters or multiply-adds, whose series all compare, it is which removes most of them.
    Chosen on validation; test is reported. What chance may explain is said to be so.
    """
    return [_verdict(results, standing) for standing in results.standings]


def _verdict(results: Results, standing: Standing) -> Verdict:
    family = standing.family
    on = f" (on {', '.join(family.place)})" if family.place else ""
    tried = [name for name in family.series if results.reaches[name].drops]
    if not tried:
        return Verdict(f"No {family.unit} were removed", f"in this sweep{on}.", standing)
    one = "" if max(results.reaches[name].seeds for name in tried) > 1 else " It is a single network."
    if standing.best is None or standing.drop is None:
        unsure = [name for name in tried if results.reaches[name].drops[0].open]
        answer = f"No tried percentage of the {family.unit} can be removed"
        far = f"for at most {POINTS} of validation accuracy{on}"
        if unsure and not one:
            drop = min((results.reaches[name].drops[0] for name in unsure), key=lambda drop: drop.bound)
            answer = f"{drop.mean.n} seeds do not tell whether any of the {family.unit} can be removed"
            far += f" ({SURE})"
        return Verdict(answer, f"{far}. {_nearest(results, tried)}{one}", standing)
    row = results.at(standing.best, standing.drop.percentage)
    together = f", the {len(tried)} series together" if len(tried) > 1 else ""
    sure = "" if standing.drop.mean.n == 1 else f": the mean drop is {bounded(standing.drop)} ({SURE}{together})"
    return Verdict(
        f"{standing.best} removes {standing.drop.percentage:g}% of the {family.unit}",
        f"for at most {POINTS} of validation accuracy{on}{sure}. Test accuracy there is {_with_bar(row)}, against "
        f"{reference(results, standing.best)[names.TEST_ACCURACY]:.4f} of the unpruned network"
        f"{treatment(results, standing.best)}, with {row[names.COMPRESSION_RATIO]:.1f}x fewer parameters"
        f"{_rivals(standing.rivals, standing.drop)}.{one}",
        standing,
    )


def _rivals(rivals: Sequence[Rival], best: Drop) -> str:
    """Which other series keep less there, which keep more, and which cannot be told apart from it."""
    compared = [each for each in rivals if each.lead is not None and each.lead.n > 1]
    less = [each for each in compared if each.apart and each.lead is not None and each.lead.mean > 0]
    more = [each for each in compared if each.apart and each not in less]
    alike = [each for each in compared if not each.apart]
    untried = [each for each in rivals if each not in compared]
    sentences = []
    if less:
        who = less[0].series if len(less) == 1 else f"{len(less)} other series" if alike or more else _all(less)
        keeps = "keeps" if len(less) == 1 else "keep"
        nearest = min(less, key=_lead)
        by = f"{interval(nearest)} points less" if len(less) == 1 else f"less, {interval(nearest)} points at least"
        sentences.append(f"{who} {keeps} {by} there")
    if more:
        sentences.append(
            f"{_named(more)} keep{'s' if len(more) == 1 else ''} more there, but not at every smaller share"
        )
    if alike:
        n = min(each.lead.n for each in alike if each.lead is not None)
        last = max(alike, key=_lead)
        differs = f"{interval(last)} points less" + ("" if len(alike) == 1 else f" for {last.series}")
        sentences.append(
            f"{_named(alike)} {'is' if len(alike) == 1 else 'are'} not told apart from it there by {n} seeds "
            f"({differs}; {enough(last)}, with a power of {100 * POWER:g}%)"
        )
    if untried and best.mean.n > 1:
        sentences.append(
            f"{_named(untried)} {'was' if len(untried) == 1 else 'were'} not tried there on two of its networks"
        )
    return "".join(f"; {words}" for words in sentences)


def _lead(rival: Rival) -> float:
    assert rival.lead is not None
    return rival.lead.mean


def _all(rivals: Sequence[Rival]) -> str:
    return "both other series" if len(rivals) == 2 else f"all {len(rivals)} other series"


def _named(rivals: Sequence[Rival]) -> str:
    """Their names, the first few of many."""
    every = [each.series for each in rivals]
    if len(every) > NAMED:
        every = [*every[:NAMED], f"{len(every) - NAMED} more"]
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def _nearest(results: Results, tried: Sequence[str]) -> str:
    """How near the best series comes with the least that was removed."""
    table = results.table
    removed = table[table["series"].isin(list(tried)) & (table[names.PERCENTAGE] > 0)]
    least = removed.groupby("series", sort=False).head(1)
    row = least.sort_values(names.VAL_ACCURACY, ascending=False, kind="stable").iloc[0]
    return (
        f"The nearest is {row['series']} at {row[names.PERCENTAGE]:g}%: test accuracy {_with_bar(row)}, "
        f"against {row[names.BASELINE_ACCURACY]:.4f} of the unpruned network."
    )


def _with_bar(row: pd.Series) -> str:
    text = f"{row[names.TEST_ACCURACY]:.4f}"
    return text if row["n"] == 1 else f"{text} ± {row[BAR + names.TEST_ACCURACY]:.4f} (n = {row['n']:.0f})"
