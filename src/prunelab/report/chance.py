"""How far chance explains a mean over seeds: confidence intervals, paired differences, power.

Seeds are a sample of the networks that a training can give; the test and validation images are the same for all.
Intervals are Student's (1908): mean ± t x deviation / sqrt(n), t from n - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, stdtr, stdtrit

from prunelab.report.bars import LEVEL

POWER = 0.8
"""The power at which a number of seeds counts as enough (Cohen 1988)."""
MOST_SEEDS = 1000
MOST_IMAGES = 1_000_000
ROUNDING = 1 / math.sqrt(6)
"""Standard deviation of the difference of two rounded numbers, in units of their last digit."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of `n` values, its confidence interval at `level`, and the sample standard deviation (n - 1).

    The interval of a single value is infinite; so is that of none, whose mean is NaN.
    """

    mean: float
    low: float
    high: float
    deviation: float
    n: int
    level: float

    @property
    def apart(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def estimate(values: Sequence[float], level: float = LEVEL, resolution: float = 0.0) -> Estimate:
    """The mean of one value per seed, or of one paired difference per seed.

    `resolution`: the step between two accuracies. A deviation below that of rounding is replaced by it: a few seeds can
    agree to the image by chance.
    """
    given = np.asarray(values, dtype=np.float64)
    n = len(given)
    mean = float(given.mean()) if n else math.nan
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, 0.0, n, level)
    deviation = max(float(given.std(ddof=1)), ROUNDING * resolution)
    half = float(half_width(deviation, n, level))
    return Estimate(mean, mean - half, mean + half, deviation, n, level)


def at_most(values: Sequence[float], level: float = LEVEL, resolution: float = 0.0) -> float:
    """The one-sided upper bound of the mean; infinite for one value."""
    return estimate(values, 2 * level - 1, resolution).high


def half_width(deviation: Any, n: Any, level: float = LEVEL) -> Any:
    """t x deviation / sqrt(n), elementwise; 0 where n is 1 and no interval is known."""
    n = np.asarray(n, dtype=np.float64)
    several = np.maximum(n, 2)
    return np.where(n > 1, stdtrit(several - 1, (1 + level) / 2) * deviation / np.sqrt(several), 0.0)


def p_values(means: Floats, deviations: Floats, n: Any) -> Floats:
    """Two-sided p-values of the hypothesis that the means are 0; 1 where n is below 2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(means) / (deviations / np.sqrt(n))
    p = 2 * stdtr(np.maximum(n - 1, 1), -np.nan_to_num(t, nan=0.0, posinf=np.inf))
    return np.where(np.asarray(n) > 1, p, 1.0)


def holm(p: Floats, total: int | None = None, level: float = LEVEL) -> Floats:
    """The level of each comparison's own interval, such that all intervals that exclude zero hold at `level` together.

    Holm (1979): the smallest of C p-values is held against alpha / C, the next against alpha / (C - 1), up to the first
    that fails; it and all larger ones are not told apart. An interval excludes zero exactly if its comparison passed.
    `total`: C, if the p-values are those of some of the comparisons alone. Each then stands at most as far down as
    among all of them, so what passes here passes there.
    """
    alpha, count = 1 - level, len(p)
    order = np.argsort(p, kind="stable")
    limits = alpha / ((total or count) - np.arange(count))
    passed = int(np.cumprod(p[order] <= limits).sum())
    limits[passed:] = limits[min(passed, count - 1)] if count else alpha
    levels = np.empty(count)
    levels[order] = 1 - limits
    return levels


def power(difference: float, deviation: float, n: int, level: float = LEVEL) -> float:
    """How often `n` pairs distinguish a true mean difference from zero, by the noncentral t distribution."""
    if n < 2 or difference == 0:
        return 0.0
    if deviation == 0:
        return 1.0
    quantile = float(stdtrit(n - 1, (1 + level) / 2))
    shift = abs(difference) / deviation * math.sqrt(n)
    above = 1 - float(np.nan_to_num(nctdtr(n - 1, shift, quantile)))
    return above + float(np.nan_to_num(nctdtr(n - 1, shift, -quantile)))


def seeds_needed(difference: float, deviation: float, level: float = LEVEL) -> int | None:
    """The fewest pairs that detect this difference with `POWER`; None if `MOST_SEEDS` do not."""
    numbers = range(2, MOST_SEEDS + 1)  # power grows with n
    first = bisect_left(numbers, POWER, key=lambda n: power(difference, deviation, n, level))
    return numbers[first] if first < len(numbers) else None


def resolution(accuracies: Iterable[float]) -> float:
    """1 / N for the smallest number of images N of which all accuracies are shares; 0 if there is none."""
    images = 1
    for accuracy in set(accuracies):
        if not math.isfinite(accuracy):
            continue
        share = Fraction(accuracy).limit_denominator(MOST_IMAGES)
        images = math.lcm(images, share.denominator)
        if abs(float(share) - accuracy) > 1e-12 or images > MOST_IMAGES:
            return 0.0
    return 1 / images
