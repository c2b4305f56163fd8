"""How far each series can be pruned: the drops of validation accuracy over seeds, and which stay within a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunelab import names
from prunelab.report.bars import LEVEL
from prunelab.report.chance import Estimate, at_most, estimate, resolution
from prunelab.report.series import COUNTED, PERCENTAGE_OF, UNITS, varied

BySeed = dict[float, dict[str, float]]
"""Validation accuracies of a series: by percentage, by seed."""
TOLERANCE = 0.01
"""Validation accuracy that may be lost."""


@dataclass(frozen=True, slots=True)
class Family:
    """Series that compete: they remove the same kind of `unit`, on one data set and network (`place`)."""

    unit: str
    place: tuple[str, ...]
    series: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """The validation accuracy that a series loses at a percentage: reference minus pruned, one difference per seed.

    `bound`: one-sided upper bound of the mean drop, at the level of the `Reach` it belongs to; `mean` has the two-sided
    interval at the same level. A single seed has an infinite bound.
    """

    percentage: float
    mean: Estimate
    bound: float

    @property
    def within(self) -> bool:
        """Whether it is at most the tolerance: of several seeds the bound, of one seed its drop."""
        return (self.mean.mean if self.mean.n == 1 else self.bound) <= TOLERANCE

    @property
    def open(self) -> bool:
        """Whether the mean may be on either side of the tolerance."""
        return not self.within and (self.mean.n == 1 or self.mean.low <= TOLERANCE)


@dataclass(frozen=True, slots=True)
class Reach:
    """The drops of a series at all percentages above 0, ascending. Every bound is at `level`.

    The percentages are tested in order up to the first that fails, each at the same level: such a fixed sequence needs
    no correction (Maurer, Hothorn and Lehmacher 1995).
    """

    drops: tuple[Drop, ...]
    level: float

    @property
    def seeds(self) -> int:
        """The largest number of networks that it was tried on."""
        return max((drop.mean.n for drop in self.drops), default=0)

    @property
    def held(self) -> Drop | None:
        """The largest percentage up to which all drops are within the tolerance; None if the first is not.

        In a series with several seeds, a percentage with a single one does not count.
        """
        last = None
        for drop in self.drops:
            if not drop.within or (drop.mean.n == 1 and self.seeds > 1):
                break
            last = drop
        return last

    @property
    def next(self) -> Drop | None:
        """The first percentage beyond that."""
        beyond = 0 if self.held is None else self.drops.index(self.held) + 1
        return self.drops[beyond] if beyond < len(self.drops) else None


def families(labelled: pd.DataFrame) -> list[Family]:
    """The families of labelled rows, in order of first appearance.

    Where percentages count parameters or multiply-adds, all series compete.
    """
    granularity = labelled["granularity"] if "granularity" in labelled else pd.Series("", labelled.index)
    units = labelled[PERCENTAGE_OF].map(COUNTED).fillna(granularity.map(UNITS)).fillna("units")
    grouped = labelled.groupby([*varied(labelled, ("data", "model")), units.rename("of")], sort=False)["series"]
    found = []
    for key, series in grouped.unique().items():
        *place, unit = key if isinstance(key, tuple) else (key,)
        found.append(Family(str(unit), tuple(map(str, place)), tuple(map(str, series))))
    return found


def by_seed(labelled: pd.DataFrame) -> dict[str, BySeed]:
    """The validation accuracies of every series; jobs with the same percentage and seed are averaged."""
    means = labelled.groupby(["series", names.PERCENTAGE, "seed"], sort=False)[names.VAL_ACCURACY].mean().dropna()
    found: dict[str, BySeed] = {str(series): {} for series in labelled["series"].unique()}
    keyed: Any = means.items()
    for (series, percentage, seed), accuracy in keyed:
        found[str(series)].setdefault(float(percentage), {})[str(seed)] = float(accuracy)
    return found


def reaches(labelled: pd.DataFrame) -> dict[str, Reach]:
    """How far each series goes; the bounds of a family hold together at `LEVEL` (Bonferroni over its series)."""
    baselines: dict[str, dict[str, float]] = {}
    means = labelled.groupby(["series", "seed"], sort=False)[names.BASELINE_VAL_ACCURACY].mean()
    keyed: Any = means.items()
    for (series, seed), accuracy in keyed:
        baselines.setdefault(str(series), {})[str(seed)] = float(accuracy)
    accuracies, found = by_seed(labelled), {}
    for family in families(labelled):
        tried = sum(any(percentage > 0 for percentage in accuracies[name]) for name in family.series)
        level = 1 - (1 - LEVEL) / max(tried, 1)
        step = validation_step(family, accuracies)
        for name in family.series:
            found[name] = _reach(accuracies[name], baselines[name], level, step)
    return found


def validation_step(family: Family, accuracies: Mapping[str, BySeed]) -> float:
    """The step between two validation accuracies of a family: one image."""
    return resolution(
        value for name in family.series for of_seed in accuracies[name].values() for value in of_seed.values()
    )


def _reach(accuracies: BySeed, baseline: dict[str, float], level: float, step: float) -> Reach:
    """Drops below the series' own percentage 0 if it was run, else below the baseline."""
    reference = accuracies.get(0.0, baseline)
    drops = []
    for percentage in sorted(filter(None, accuracies)):
        pruned = accuracies[percentage]
        lost = [reference[seed] - pruned[seed] for seed in pruned if seed in reference]
        if lost:
            drops.append(Drop(percentage, estimate(lost, level, step), at_most(lost, level, step)))
    return Reach(tuple(drops), level)
