"""The series that goes furthest, and whether chance explains its lead over each other one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from prunelab.report.bars import LEVEL
from prunelab.report.chance import Estimate, estimate, holm, p_values, power, seeds_needed
from prunelab.report.reach import TOLERANCE, BySeed, Drop, Family, Reach, validation_step


@dataclass(frozen=True, slots=True)
class Rival:
    """Another series, at the percentage that the best one reaches.

    `lead`: by how much the best one keeps more validation accuracy, a difference for each seed that they share, since
    both prune the same networks. Its interval is at the level from Holm's procedure, so that all rivals that are
    `apart` hold together.
    """

    series: str
    lead: Estimate

    @property
    def compared(self) -> bool:
        """Whether they share two seeds, so that chance can be told."""
        return self.lead.n > 1

    @property
    def apart(self) -> bool:
        """Whether chance does not explain the difference."""
        return self.lead.apart

    @property
    def power(self) -> float:
        """How often this number of seeds detects a true difference of a point, given the deviation seen."""
        return power(TOLERANCE, self.lead.deviation, self.lead.n, self.lead.level)

    @property
    def needed(self) -> int | None:
        """The number of seeds that detects the difference seen, given the deviation seen; None if too many."""
        return seeds_needed(self.lead.mean, self.lead.deviation, self.lead.level) if self.compared else None


@dataclass(frozen=True, slots=True)
class Standing:
    """The best series of a family, its drop at the percentage it reaches, and its rivals there; None if none does."""

    family: Family
    best: str | None
    drop: Drop | None
    rivals: tuple[Rival, ...] = ()


def standing(family: Family, accuracies: Mapping[str, BySeed], reaches: Mapping[str, Reach]) -> Standing:
    """The best is the series that goes furthest; among equals, the one with most validation accuracy there.

    If some have several seeds, a series with a single one cannot be the best: how far it goes is not known.
    """
    several = any(reaches[name].seeds > 1 for name in family.series)
    far = {
        name: held
        for name in family.series
        if (held := reaches[name].held) is not None and (reaches[name].seeds > 1 or not several)
    }
    if not far:
        return Standing(family, None, None)
    best = max(far, key=lambda name: (far[name].percentage, fmean(accuracies[name][far[name].percentage].values())))
    at, step = far[best].percentage, validation_step(family, accuracies)
    leads = {
        (name, percentage): _differences(one, accuracies[name].get(percentage, {}))
        for name in family.series
        if name != best
        for percentage, one in accuracies[best].items()
        if percentage > 0
    }
    levels = _levels(leads, comparisons(family, accuracies), step)
    rivals = (Rival(name, estimate(leads[name, at], levels[name, at], step)) for name in family.series if name != best)
    return Standing(family, best, far[best], tuple(rivals))


def comparisons(family: Family, accuracies: Mapping[str, BySeed]) -> int:
    """The number of pairs of series at all percentages above 0, of those tried on at least two seeds."""
    tried = Counter(
        percentage
        for name in family.series
        for percentage, of_seed in accuracies[name].items()
        if percentage > 0 and len(of_seed) > 1
    )
    return sum(count * (count - 1) // 2 for count in tried.values())


def _levels(leads: Mapping[tuple[str, float], list[float]], total: int, step: float) -> dict[tuple[str, float], float]:
    """The level of each comparison of the best series, by the other series and the percentage.

    The best series and its percentage are chosen by the same accuracies that are compared, so that any of the `total`
    pairs at any percentage might have been the one to look at, and Holm's procedure counts them all. It steps down over
    the comparisons of the best series alone: among all pairs none of these would come earlier, so that the levels are
    at least those of the full procedure, and the work grows with the number of jobs and not with that of pairs.
    """
    compared = [key for key, lead in leads.items() if len(lead) > 1]
    found = [estimate(leads[key], LEVEL, step) for key in compared]
    means, deviations, n = (np.array([getattr(each, name) for each in found]) for name in ("mean", "deviation", "n"))
    return dict.fromkeys(leads, LEVEL) | dict(zip(compared, holm(p_values(means, deviations, n), total), strict=True))


def _differences(one: Mapping[str, float], other: Mapping[str, float]) -> list[float]:
    return [one[seed] - other[seed] for seed in one if seed in other]
