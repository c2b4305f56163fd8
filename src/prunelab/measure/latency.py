"""How long a network takes, measured: the dense one and every form of the pruned one, in one process, by turns.

All forms have a short turn in each round, so that a machine that is slow for a while is slow for all of them; a speedup
is the median over rounds of dense / pruned, each within its round. What scatters is measured again, a few times.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

import torch
from torch import Tensor

from prunelab.network.chain import Operator

DENSE = "dense"
TURNS = 5
"""How many turns a form has in `measure.seconds`."""
STEADY = 0.2
"""The interquartile range of a time, or of a speedup, may be this share of its median."""
ATTEMPTS = 3
SLOW = 0.005
"""Seconds; a call that takes longer needs no call before it to warm up the caches."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the interquartile range around it."""

    median: float
    iqr: float

    @property
    def relative(self) -> float:
        """The range as a share of the median."""
        return self.iqr / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that one batch took in each form, turn by turn; the n-th turns of all forms are of one round."""

    batch_size: int
    turns: Mapping[str, Sequence[float]]

    def milliseconds(self, form: str) -> Spread:
        """Of one batch."""
        return _spread([1000 * seconds for seconds in self.turns[form]])

    def speedup(self, form: str, over: str = DENSE) -> Spread:
        """How many times as fast a form is as `over`."""
        return _spread([slow / fast for slow, fast in zip(self.turns[over], self.turns[form], strict=True)])

    def fastest(self, among: Sequence[str]) -> str:
        """The form that takes least."""
        return min(among, key=lambda form: self.milliseconds(form).median)

    def unsteadiness(self, forms: Sequence[str]) -> float:
        """The largest relative interquartile range of these forms' times and of their speedups over the dense one."""
        spreads = [self.milliseconds(form) for form in forms]
        spreads += [self.speedup(form) for form in forms if form != DENSE]
        return max(spread.relative for spread in spreads)


@torch.no_grad()
def latency(
    forms: Mapping[str, Operator],
    images: Tensor,
    batch_size: int,
    seconds: float,
    repeats: int,
    attempts: int = ATTEMPTS,
) -> Latency:
    """Time a batch of `images` ([n, ...], repeated as often as it takes); `forms` begins with the dense network.

    Each of `repeats` x `TURNS` rounds gives every form a turn of about `seconds` / `TURNS`, at least one call. As long
    as a form is unsteady all are measured again, up to `attempts` times; the steadiest attempt is returned. Torch's
    threads are those that are set.
    """
    batch = images[torch.arange(batch_size, device=images.device) % len(images)]
    timed = _on_cuda if batch.is_cuda else _on_cpu
    best: Latency | None = None
    with _undisturbed():
        paces = {form: _pace(run, batch, seconds / TURNS, timed) for form, run in forms.items()}
        for _ in range(max(1, attempts)):
            turns: dict[str, list[float]] = {form: [] for form in forms}
            for _ in range(TURNS * repeats):
                for form, run in forms.items():
                    turns[form].append(_turn(run, batch, paces[form], timed))
            found = Latency(batch_size, turns)
            if best is None or found.unsteadiness(list(forms)) < best.unsteadiness(list(forms)):
                best = found
            if best.unsteadiness(list(forms)) <= STEADY:
                break
    assert best is not None
    return best


Timed = Callable[[Operator, Tensor, int], float]
"""Seconds that so many calls take."""


@dataclass(frozen=True, slots=True)
class _Pace:
    """How many calls a turn has, and whether one goes before them to warm up the caches."""

    calls: int
    warmed: bool


def _pace(run: Operator, batch: Tensor, seconds: float, timed: Timed) -> _Pace:
    """For turns of about so many seconds; the first call, which may prepare something, is not counted."""
    timed(run, batch, 1)
    once = timed(run, batch, 1)
    return _Pace(max(1, int(seconds / once)) if once > 0 else 1, once < SLOW)


def _turn(run: Operator, batch: Tensor, pace: _Pace, timed: Timed) -> float:
    """Seconds per call."""
    if pace.warmed:
        run(batch)
    return timed(run, batch, pace.calls) / pace.calls


def _on_cpu(run: Operator, batch: Tensor, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run(batch)
    return time.perf_counter() - start


def _on_cuda(run: Operator, batch: Tensor, calls: int) -> float:
    """By CUDA events, which see the device's own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(calls):
        run(batch)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without garbage collection."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _spread(values: Sequence[float]) -> Spread:
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return Spread(median(values), high - low)
