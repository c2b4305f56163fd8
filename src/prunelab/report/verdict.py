"""What a sweep comes to, in one sentence for each kind of unit, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from prunelab import names
from prunelab.report.bars import LEVEL
from prunelab.report.chance import POWER
from prunelab.report.findings import POINTS, bounded, enough, interval, treatment
from prunelab.report.reach import Drop
from prunelab.report.results import BAR, Results
from prunelab.report.rivals import Rival, Standing

NAMED = 3
"""Up to this many rivals are named; the others are counted."""
SURE = f"{100 * LEVEL:g}% confidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, the numbers that support it, and the comparison behind it."""

    answer: str
    evidence: str
    standing: Standing

    def __str__(self) -> str:
        return f"{self.answer} {self.evidence}"


def verdicts(results: Results) -> list[Verdict]:
    """For each family: the series that removes most within the tolerance, chosen on validation, and how sure that is.

    A family is the series that remove weights, or neurons, on one data set and network; where percentages count
    parameters or multiply-adds, it is all series.
    """
    return [Verdict(*_verdict(results, standing), standing) for standing in results.standings]


def _verdict(results: Results, standing: Standing) -> tuple[str, str]:
    """Answer and evidence."""
    family, best, drop = standing.family, standing.best, standing.drop
    on = f" (on {', '.join(family.place)})" if family.place else ""
    tried = [name for name in family.series if results.reaches[name].drops]
    if not tried:
        return f"No {family.unit} were removed", f"in this sweep{on}."
    single = "" if max(results.reaches[name].seeds for name in tried) > 1 else " It is a single network."
    if best is None or drop is None:
        answer = f"No tried percentage of the {family.unit} can be removed"
        far = f"for at most {POINTS} of validation accuracy{on}"
        first = [results.reaches[name].drops[0] for name in tried]
        if not single and (unsure := [each for each in first if each.open]):
            n = min(unsure, key=lambda each: each.bound).mean.n
            answer = f"{n} seeds are not enough to tell whether any of the {family.unit} can be removed"
            far += f" ({SURE})"
        return answer, f"{far}. {_nearest(results, tried)}{single}"
    row = results.at(best, drop.percentage)
    together = f", the {len(tried)} series together" if len(tried) > 1 else ""
    sure = "" if drop.mean.n == 1 else f": the mean drop is {bounded(drop)} ({SURE}{together})"
    return (
        f"{best} removes {drop.percentage:g}% of the {family.unit}",
        f"for at most {POINTS} of validation accuracy{on}{sure}. Test accuracy there is {_with_bar(row)}, against "
        f"{results.references[best]:.4f} of the unpruned network{treatment(results, best)}, with "
        f"{row[names.COMPRESSION_RATIO]:.1f}x fewer parameters{_rivals(standing.rivals, drop)}.{single}",
    )


def _rivals(rivals: Sequence[Rival], best: Drop) -> str:
    """Which other series keep less there, which keep more, and which cannot be told apart from the best one."""
    less = [each for each in rivals if each.apart and each.lead.mean > 0]
    more = [each for each in rivals if each.apart and each.lead.mean <= 0]
    alike = [each for each in rivals if each.compared and not each.apart]
    untried = [each for each in rivals if not each.compared]
    sentences = []
    if less:
        nearest = interval(min(less, key=lambda each: each.lead.mean))
        if len(less) == 1:
            sentences.append(f"{less[0].series} keeps {nearest} points less there")
        else:
            both = "both other series" if len(less) == 2 else f"all {len(less)} other series"
            who = f"{len(less)} other series" if alike or more else both
            sentences.append(f"{who} keep at least {nearest} points less there")
    if more:
        sentences.append(f"{_named(more)} {_verb(more, 'keeps', 'keep')} more there, but not at every smaller share")
    if alike:
        n = min(each.lead.n for each in alike)
        last = max(alike, key=lambda each: each.lead.mean)
        differs = f"{interval(last)} points less" + ("" if len(alike) == 1 else f" for {last.series}")
        sentences.append(
            f"{_named(alike)} {_verb(alike, 'is', 'are')} not told apart from it there by {n} seeds "
            f"({differs}; {enough(last)}, with a power of {100 * POWER:g}%)"
        )
    if untried and best.mean.n > 1:
        sentences.append(f"{_named(untried)} {_verb(untried, 'was', 'were')} not tried there on two of its networks")
    return "".join(f"; {sentence}" for sentence in sentences)


def _verb(rivals: Sequence[Rival], one: str, several: str) -> str:
    return one if len(rivals) == 1 else several


def _named(rivals: Sequence[Rival]) -> str:
    """The names of the first few and the number of the others."""
    every = [each.series for each in rivals]
    if len(every) > NAMED:
        every = [*every[:NAMED], f"{len(every) - NAMED} more"]
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def _nearest(results: Results, tried: Sequence[str]) -> str:
    """How near the best series comes with the least that was removed."""
    parts = (results.parts[name] for name in tried)
    least = pd.concat([part[part[names.PERCENTAGE] > 0].head(1) for part in parts])
    row = least.sort_values(names.VAL_ACCURACY, ascending=False, kind="stable").iloc[0]
    return (
        f"The nearest is {row['series']} at {row[names.PERCENTAGE]:g}%: test accuracy {_with_bar(row)}, "
        f"against {row[names.BASELINE_ACCURACY]:.4f} of the unpruned network."
    )


def _with_bar(row: pd.Series) -> str:
    text = f"{row[names.TEST_ACCURACY]:.4f}"
    return text if row["n"] == 1 else f"{text} ± {row[BAR + names.TEST_ACCURACY]:.4f} (n = {row['n']:.0f})"
