"""Prune further, or stop? The largest percentage that satisfies the user's conditions, found by bisection.

The published report's fourth step. An accuracy condition holds up to some percentage, a speed or size condition from
some percentage on; each limit is found by bisection, and every probe is a job of the sweep.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from prunelab.config import Until
from prunelab.errors import ConfigError
from prunelab.job import Result


@dataclass(frozen=True, slots=True)
class Bisected:
    """`percentage` satisfies all conditions, or is None; `words` say why, or what comes nearest."""

    percentage: float | None
    words: str


def bisect(until: Until, probe: Callable[[float], Result]) -> Bisected:
    """Find the percentage with as few calls of `probe`, which runs the job of a percentage, as it takes.

    Raises:
        ConfigError: if a condition cannot be decided, because a probe did not measure what it is about.
    """
    grid = [min(100.0, step * until.resolution) for step in range(int(100 / until.resolution) + 1)]
    at = cache(lambda index: probe(grid[index]))
    gains, most = _gains(until), until.max_accuracy_drop
    indices = range(len(grid))  # conditions are monotone over them: bisect_left finds the first where one is true
    enough = bisect_left(indices, True, key=lambda index: all(gain.holds(at(index)) for gain in gains))
    if enough == len(grid):
        return Bisected(
            None, f"not even {grid[-1]:g}% satisfies {_all(gains)}: {_measured(gains, at(enough - 1))} there"
        )
    if most is None:
        return Bisected(
            grid[enough],
            f"{grid[enough]:g}% is the smallest percentage that satisfies {_all(gains)} "
            f"({_measured(gains, at(enough))}); no accuracy condition was set, so it stops there. "
            f"{_accuracy(at(enough))}",
        )
    accurate = bisect_left(indices, True, key=lambda index: _drop(at(index)) > most) - 1
    limit = f"an accuracy drop of at most {most:g} on validation"
    if accurate < 0:
        return Bisected(None, f"not even {grid[0]:g}% satisfies {limit}: {_accuracy(at(0))}")
    if accurate < enough:
        return Bisected(
            None,
            f"{limit} and {_all(gains)} cannot be met together: the former holds up to {grid[accurate]:g}% "
            f"({_measured(gains, at(accurate))}), the latter from {grid[enough]:g}% on. Nearest: "
            f"{grid[accurate]:g}% keeps the accuracy ({_accuracy(at(accurate))}); "
            f"{grid[enough]:g}% keeps the rest ({_accuracy(at(enough))})",
        )
    stopped = "there is nothing more to remove"
    if accurate + 1 < len(grid):
        stopped = f"at {grid[accurate + 1]:g}% the drop would be {_drop(at(accurate + 1)):.4f}"
    reached = f"{_measured(gains, at(accurate))}; " if gains else ""
    return Bisected(
        grid[accurate],
        f"{grid[accurate]:g}% is the largest percentage that satisfies {' and '.join([limit, *map(str, gains)])} "
        f"({reached}{_accuracy(at(accurate))}); {stopped}",
    )


@dataclass(frozen=True, slots=True)
class _Gain:
    """A condition that more pruning helps to satisfy."""

    what: str
    wanted: float
    value: Callable[[Result], float]
    at_least: bool

    def holds(self, result: Result) -> bool:
        return self.value(result) >= self.wanted if self.at_least else self.value(result) <= self.wanted

    def __str__(self) -> str:
        return f"{self.what} of at {'least' if self.at_least else 'most'} {self.wanted:,g}"


def _gains(until: Until) -> list[_Gain]:
    every = (
        ("a theoretical speedup (MACs)", until.min_speedup, lambda result: result.theoretical_speedup, True),
        ("a number of parameters", until.max_parameters, lambda result: result.parameters, False),
        ("a measured time in ms", until.max_ms, _milliseconds, False),
        ("a file size in bytes", until.max_bytes, _bytes, False),
    )
    return [_Gain(what, wanted, value, at_least) for what, wanted, value, at_least in every if wanted is not None]


def _milliseconds(result: Result) -> float:
    if result.milliseconds is None:
        raise ConfigError(
            f"until.max_ms cannot be decided: the speed of {result.name} was not measured; it takes jobs that run one "
            "at a time, and a runtime that can run the network"
        )
    if not result.steady:
        raise ConfigError(
            f"until.max_ms cannot be decided: the time of {result.name} scatters by more than a fifth each time it is "
            "measured; try again on a quiet machine, or with a longer measure.seconds"
        )
    return result.milliseconds


def _bytes(result: Result) -> float:
    if result.file_bytes is None:
        raise ConfigError(f"until.max_bytes cannot be decided: {result.name} kept no network (measure.file=false)")
    return result.file_bytes


def _drop(result: Result) -> float:
    return result.baseline_validation - result.validation.accuracy


def _all(gains: Sequence[_Gain]) -> str:
    return " and ".join(map(str, gains))


def _measured(gains: Sequence[_Gain], result: Result) -> str:
    return ", ".join(f"{gain.what.removeprefix('a ')} {gain.value(result):,.4g}" for gain in gains)


def _accuracy(result: Result) -> str:
    return (
        f"validation accuracy {result.validation.accuracy:.4f} against {result.baseline_validation:.4f}, "
        f"test accuracy {result.test.accuracy:.4f}"
    )
