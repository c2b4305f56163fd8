"""A ratio of two durations, each the median of several, measured alternately so that both see the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Ratio:
    """`ours` and `theirs` in seconds; `target` is the largest ratio of them that is good enough."""

    name: str
    ours: float
    theirs: float
    target: float
    repeats: int

    @property
    def value(self) -> float:
        """ours / theirs."""
        return self.ours / self.theirs

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.value <= self.target


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], target: float, repeats: int) -> Ratio:
    """Time both, taking turns, `repeats` times each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, kept in zip((theirs, ours), times, strict=True):
            started = time.perf_counter()
            run()
            kept.append(time.perf_counter() - started)
    return Ratio(name, median(times[1]), median(times[0]), target, repeats)
