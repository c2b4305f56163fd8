"""A ratio of two durations, each the median of several, measured in turns so that both see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Ratio:
    """`ours` and `theirs` in seconds. Good enough: a ratio from `least` to `target`, and a time of up to `seconds`."""

    name: str
    ours: float
    theirs: float
    target: float | None
    repeats: int
    seconds: float | None = None
    least: float | None = None

    @property
    def value(self) -> float:
        """ours / theirs."""
        return self.ours / self.theirs

    @property
    def met(self) -> bool:
        """Whether the targets are reached."""
        ratio = (self.target is None or self.value <= self.target) and (self.least is None or self.value >= self.least)
        return ratio and (self.seconds is None or self.ours <= self.seconds)


def in_turns(
    ours: Callable[[], Found], theirs: Callable[[], Found], repeats: int
) -> tuple[tuple[Found, ...], tuple[Found, ...]]:
    """What each returned, `repeats` times, called one after the other: theirs first."""
    rounds = [(theirs(), ours()) for _ in range(repeats)]
    of_theirs, of_ours = zip(*rounds, strict=True)
    return of_ours, of_theirs


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    target: float | None,
    repeats: int,
    seconds: float | None = None,
) -> Ratio:
    """Time both in turns, `repeats` times each."""
    of_ours, of_theirs = in_turns(lambda: duration(ours), lambda: duration(theirs), repeats)
    return Ratio(name, median(of_ours), median(of_theirs), target, repeats, seconds)


def duration(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
