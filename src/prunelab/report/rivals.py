"""The series that goes furthest, and whether chance explains its lead over each other one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from prunelab.report.bars import LEVEL
from prunelab.report.chance import ROUNDING, Estimate, Floats, estimate, holm, p_values, power, seeds_needed
from prunelab.report.reach import TOLERANCE, BySeed, Drop, Family, Reach, validation_step


@dataclass(frozen=True, slots=True)
class Rival:
    """Another series, at the percentage that the best one reaches.

    `lead`: by how much the best keeps more validation accuracy, a difference for each seed, since both prune the same
    networks. Its interval has the level that Holm's procedure gives it, so that all that are `apart` hold together.
    None where no seed was tried with both.
    """

    series: str
    lead: Estimate | None

    @property
    def apart(self) -> bool:
        """Whether chance does not explain the difference."""
        return self.lead is not None and self.lead.apart

    @property
    def power(self) -> float:
        """How often so many seeds tell a true difference of a point from none, at the deviation seen."""
        return 0.0 if self.lead is None else power(TOLERANCE, self.lead.deviation, self.lead.n, self.lead.level)

    @property
    def needed(self) -> int | None:
        """How many seeds tell the difference that was seen from none, at the deviation seen; None if too many."""
        lead = self.lead
        return None if lead is None or lead.n < 2 else seeds_needed(lead.mean, lead.deviation, lead.level)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a family of series comes to: the best, its drop where it still holds, and its rivals there.

    `best` and `drop` are None if none goes anywhere.
    """

    family: Family
    best: str | None
    drop: Drop | None
    rivals: tuple[Rival, ...] = ()


def standing(family: Family, accuracies: dict[str, BySeed], reaches: dict[str, Reach]) -> Standing:
    """The best is the series that goes furthest; of several that go as far, the one that keeps most there.

    Where some have several seeds, one with a single seed is not the best: how far it goes is not known.
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
    at = far[best].percentage
    step = validation_step(family, accuracies)
    levels = _levels(family, accuracies, best, at, step)
    rivals = []
    for name in family.series:
        if name != best:
            one, other = accuracies[best][at], accuracies[name].get(at, {})
            lead = [one[seed] - other[seed] for seed in one if seed in other]
            rivals.append(Rival(name, estimate(lead, levels[name], step) if lead else None))
    return Standing(family, best, far[best], tuple(rivals))


def _levels(family: Family, accuracies: dict[str, BySeed], best: str, at: float, step: float) -> dict[str, float]:
    """The level of each other series' comparison with the best one at a percentage.

    The best one and the percentage are chosen by the same accuracies that are compared. So Holm's procedure covers
    every pair of series at every percentage: any of these comparisons might have been the one that is looked at.
    """
    series = family.series
    percentages = sorted({percentage for name in series for percentage in accuracies[name] if percentage > 0})
    seeds = sorted({seed for name in series for of_seed in accuracies[name].values() for seed in of_seed})
    values = np.array(
        [[[accuracies[name].get(p, {}).get(seed, np.nan) for p in percentages] for seed in seeds] for name in series]
    )
    one, other = np.triu_indices(len(series), 1)
    levels = _holm(values[one] - values[other], step)[:, percentages.index(at)]
    pairs = [{series[a], series[b]} for a, b in zip(one, other, strict=True)]
    return {name: float(levels[pairs.index({best, name})]) for name in series if name != best}


def _holm(differences: Floats, step: float) -> Floats:
    """Levels [pairs, percentages] of differences [pairs, seeds, percentages]; NaN where a seed was not tried."""
    n = np.isfinite(differences).sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of pairs without two seeds, which are not compared
        means, deviations = np.nanmean(differences, axis=1), np.nanstd(differences, axis=1, ddof=1)
    tested = n > 1
    levels = np.full(n.shape, LEVEL)
    if tested.any():
        deviations = np.maximum(deviations[tested], ROUNDING * step)
        levels[tested] = holm(p_values(means[tested], deviations, n[tested]))
    return levels
