"""A ratio of two durations, each the median of several, measured alternately so that both see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Ratio:
    """`ours` and `theirs` in seconds; good enough are a ratio from `least` to `target` and a time up to `seconds`."""

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


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    target: float | None,
    repeats: int,
    seconds: float | None = None,
) -> Ratio:
    """Time both, taking turns, `repeats` times each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, kept in zip((theirs, ours), times, strict=True):
            started = time.perf_counter()
            run()
            kept.append(time.perf_counter() - started)
    return Ratio(name, median(times[1]), median(times[0]), target, repeats, seconds)
