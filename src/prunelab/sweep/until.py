"""Prune further, or stop? The largest percentage that satisfies conditions of the user's, found by bisection.

The published report's fourth step. An accuracy condition holds up to some percentage, a speed or size condition from
some percentage on; each is looked for by halving, every probe a job of the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prunelab.config import Until
from prunelab.errors import ConfigError
from prunelab.job import Result


@dataclass(frozen=True, slots=True)
class Verdict:
    """`percentage` satisfies all conditions, or is None; `words` say why, or what comes nearest."""

    percentage: float | None
    words: str


def bisect(until: Until, probe: Callable[[float], Result]) -> Verdict:
    """Ask `probe` for as few percentages as it takes."""
    grid = [min(100.0, step * until.resolution) for step in range(int(100 / until.resolution) + 1)]
    known: dict[int, Result] = {}

    def at(index: int) -> Result:
        if index not in known:
            known[index] = probe(grid[index])
        return known[index]

    gains = [condition for condition in _gains(until) if condition.wanted is not None]
    enough = _first(len(grid), lambda index: all(condition.holds(at(index)) for condition in gains)) if gains else 0
    if enough is None:
        last = at(len(grid) - 1)
        return Verdict(None, f"not even {grid[-1]:g}% satisfies {_all(gains)}: {_measured(gains, last)} there")
    if until.max_accuracy_drop is None:
        return Verdict(
            grid[enough],
            f"{grid[enough]:g}% is the smallest percentage that satisfies {_all(gains)} "
            f"({_measured(gains, at(enough))}); no accuracy condition was set, so it stops there. "
            f"{_accuracy(at(enough))}",
        )
    accurate = _last(len(grid), lambda index: _drop(at(index)) <= _limit(until))
    limit = f"an accuracy drop of at most {_limit(until):g} on validation"
    if accurate is None:
        return Verdict(None, f"not even {grid[0]:g}% satisfies {limit}: {_accuracy(at(0))}")
    both = f"{limit} and {_all(gains)}" if gains else limit
    if accurate < enough:
        return Verdict(
            None,
            f"{limit} and {_all(gains)} cannot be met together: the former holds up to {grid[accurate]:g}% "
            f"({_measured(gains, at(accurate))}), the latter from {grid[enough]:g}% on. Nearest: "
            f"{grid[accurate]:g}% keeps the accuracy ({_accuracy(at(accurate))}); "
            f"{grid[enough]:g}% keeps the rest ({_accuracy(at(enough))})",
        )
    stopped = (
        f"at {grid[accurate + 1]:g}% the drop would be {_drop(at(accurate + 1)):.4f}"
        if accurate + 1 < len(grid)
        else "there is nothing more to remove"
    )
    reached = f"{_measured(gains, at(accurate))}; " if gains else ""
    return Verdict(
        grid[accurate],
        f"{grid[accurate]:g}% is the largest percentage that satisfies {both} "
        f"({reached}{_accuracy(at(accurate))}); {stopped}",
    )


@dataclass(frozen=True, slots=True)
class _Gain:
    """A condition that more pruning helps to satisfy."""

    what: str
    wanted: float | None
    value: Callable[[Result], float]
    at_least: bool

    def holds(self, result: Result) -> bool:
        assert self.wanted is not None
        return self.value(result) >= self.wanted if self.at_least else self.value(result) <= self.wanted

    def __str__(self) -> str:
        return f"{self.what} of at {'least' if self.at_least else 'most'} {self.wanted:,g}"


def _gains(until: Until) -> list[_Gain]:
    return [
        _Gain("a theoretical speedup (MACs)", until.min_speedup, lambda result: result.speedup, True),
        _Gain("a number of parameters", until.max_parameters, lambda result: result.parameters, False),
        _Gain("a measured time in ms", until.max_ms, _milliseconds, False),
        _Gain("a file size in bytes", until.max_bytes, _bytes, False),
    ]


def _milliseconds(result: Result) -> float:
    """The measured time.

    Raises:
        ConfigError: if there is none that can be relied on.
    """
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


def _first(count: int, holds: Callable[[int], bool]) -> int | None:
    """The first index for which a condition holds that goes on holding after; None if none."""
    low, high = 0, count - 1
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _last(count: int, holds: Callable[[int], bool]) -> int | None:
    """The last index for which a condition holds that held before it."""
    first_failing = _first(count, lambda index: not holds(index))
    if first_failing is None:
        return count - 1
    return first_failing - 1 if first_failing > 0 else None


def _limit(until: Until) -> float:
    assert until.max_accuracy_drop is not None
    return until.max_accuracy_drop


def _drop(result: Result) -> float:
    return result.baseline_validation - result.validation.accuracy


def _all(gains: Sequence[_Gain]) -> str:
    return " and ".join(str(gain) for gain in gains)


def _measured(gains: Sequence[_Gain], result: Result) -> str:
    return ", ".join(f"{gain.what.removeprefix('a ')} {gain.value(result):,.4g}" for gain in gains)


def _accuracy(result: Result) -> str:
    return (
        f"validation accuracy {result.validation.accuracy:.4f} against {result.baseline_validation:.4f}, "
        f"test accuracy {result.test.accuracy:.4f}"
    )
