"""How long networks take: the unpruned one and every form of the pruned one, timed in one process, in turns.

In each round every form has a short turn, so that a machine that is slow for a while is slow for all of them; a speedup
is the median over rounds of dense / pruned, each within its round. Times that scatter are measured again, a few times.

Times can be steady and wrong: on a busy machine one of two equal networks may take many times as long as the other, in
every round. So the unpruned network is timed a second time as a separate instance, a placebo. If the two disagree, no
time measured beside them is trusted; nor is any if other processes left too few cores.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles

import torch
from torch import Tensor

from prunelab.measure.load import Load, watching
from prunelab.network.chain import OnArrays, Operator

DENSE = "dense"
TURNS = 5
"""Turns of a form in `measure.seconds`."""
STEADY = 0.2
"""The interquartile range of a time, or of a speedup, may be this share of its median."""
AGREEING = 0.1
"""The slower of two instances of one network may take this share longer than the other."""
SHORT = 0.5
"""Cores that may be missing for this process's threads and for what other processes do."""
ATTEMPTS = 3
"""Measurements at most, as long as the times cannot be trusted."""
SETTLED = 0.002
"""Seconds of rest before a turn, in which threads of the turn before stop spinning for more work
(`runtime.onnx.SPIN_US`), and then of calls that warm up caches and threads.
"""
SLOW = 0.005
"""Seconds: a call that takes longer needs no call before it to warm up the caches."""
SLOWER = 2.0
"""A slow form gets one turn if it takes this many times as long as the unpruned network: it cannot be the fastest."""


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
    """Seconds of one batch in each form, turn by turn; the n-th turns of all forms belong to one round.

    A form that is far slower than the unpruned network has one turn, in the first round.

    `placebo` are those of the second instance of the unpruned network; empty if there was none. `load`: how busy the
    machine was meanwhile; None on a GPU, where it does not matter.
    """

    batch_size: int
    turns: Mapping[str, Sequence[float]]
    placebo: Sequence[float] = ()
    load: Load | None = None

    def milliseconds(self, form: str) -> Spread:
        """The time of one batch."""
        return _spread([1000 * seconds for seconds in self.turns[form]])

    def speedup(self, form: str, over: str = DENSE) -> Spread:
        """How many times as fast a form is as `over`, in the rounds that both were timed in."""
        rounds = min(len(self.turns[over]), len(self.turns[form]))
        return _ratio(self.turns[over][:rounds], self.turns[form][:rounds])

    def fastest(self, among: Sequence[str]) -> str:
        """The form that takes the least time."""
        return min(among, key=lambda form: self.milliseconds(form).median)

    def unsteadiness(self, forms: Sequence[str]) -> float:
        """The largest relative interquartile range of these forms' times and of their speedups over the dense one."""
        spreads = [self.milliseconds(form) for form in forms]
        spreads += [self.speedup(form) for form in forms if form != DENSE]
        return max(spread.relative for spread in spreads)

    @property
    def disagreement(self) -> float:
        """The share by which the slower of the two unpruned instances takes longer: the median over rounds."""
        if not self.placebo:
            return 0.0
        ratio = _ratio(self.turns[DENSE], self.placebo).median
        return max(ratio, 1 / ratio) - 1

    @property
    def short(self) -> float:
        """Cores that were missing."""
        return 0.0 if self.load is None else self.load.short

    @property
    def quiet(self) -> bool:
        """Whether the machine was quiet enough for its times to be trusted."""
        return self.disagreement <= AGREEING and self.short <= SHORT

    def steady(self, forms: Sequence[str]) -> bool:
        """Whether the times of these forms can be trusted."""
        return self.quiet and self.unsteadiness(forms) <= STEADY

    def doubt(self, forms: Sequence[str]) -> float:
        """The worst of scatter, disagreement and missing cores, as a multiple of what is allowed: steady up to 1."""
        return max(self.unsteadiness(forms) / STEADY, self.disagreement / AGREEING, self.short / SHORT)


@torch.no_grad()
def latency(
    forms: Mapping[str, Operator],
    images: Tensor,
    batch_size: int,
    seconds: float,
    repeats: int,
    attempts: int = ATTEMPTS,
    placebo: Operator | None = None,
) -> Latency:
    """Time a batch of `images` ([n, ...], repeated to fill it); `forms` begins with the unpruned network.

    Each of `repeats` x `TURNS` rounds gives every form a turn of about `seconds` / `TURNS`, at least one call, and the
    last one to `placebo`, another instance of the unpruned network. A form whose call in the first round takes more
    than `SLOW` seconds and `SLOWER` times as long as the unpruned network's has no further turn. As long as a form is
    unsteady, the two instances disagree, or cores are missing, all are measured again, up to `attempts` times; the most
    trustworthy attempt is returned. Torch's number of threads stays as it is.
    """
    batch = images[torch.arange(batch_size, device=images.device) % len(images)]
    timed = _on_cuda if batch.is_cuda else _on_cpu
    operators = [*forms.values(), *([] if placebo is None else [placebo])]
    runs = [run.on(batch) if isinstance(run, OnArrays) else partial(run, batch) for run in operators]
    names = list(forms)
    best: Latency | None = None
    with _undisturbed():
        paces = [_pace(run, seconds / TURNS, timed) for run in runs]
        for _ in range(max(1, attempts)):
            load = watching()
            columns = [[_turn(run, pace, timed)] for run, pace in zip(runs, paces, strict=True)]
            unpruned = [column[0] for column in (columns[0], *columns[len(names) :])]
            limit = max(SLOW, SLOWER * max(unpruned))
            for _ in range(TURNS * repeats - 1):
                for column, run, pace in zip(columns, runs, paces, strict=True):
                    if column[0] <= limit:
                        column.append(_turn(run, pace, timed))
            turns, extra = dict(zip(names, columns, strict=False)), columns[len(names) :]
            found = Latency(batch_size, turns, extra[0] if extra else (), None if batch.is_cuda else load())
            if best is None or found.doubt(names) < best.doubt(names):
                best = found
            if best.steady(names):
                break
    assert best is not None
    return best


Call = Callable[[], object]
"""A form on one batch."""
Timed = Callable[[Call, int], float]
"""Seconds that so many calls take."""


@dataclass(frozen=True, slots=True)
class _Pace:
    """How many calls a turn has, and how many go before them to warm up caches and threads."""

    calls: int
    before: int


def _pace(call: Call, seconds: float, timed: Timed) -> _Pace:
    """For turns of about so many seconds; the first call, which may prepare something, is not counted."""
    timed(call, 1)
    once = timed(call, 1)
    return _Pace(_fitting(seconds, once), _fitting(SETTLED, once) if once < SLOW else 0)


def _fitting(seconds: float, once: float) -> int:
    """How many calls that take `once` seconds fit; at least one."""
    return max(1, int(seconds / once)) if once > 0 else 1


def _turn(call: Call, pace: _Pace, timed: Timed) -> float:
    """Seconds per call."""
    time.sleep(SETTLED)
    for _ in range(pace.before):
        call()
    return timed(call, pace.calls) / pace.calls


def _on_cpu(call: Call, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def _on_cuda(call: Call, calls: int) -> float:
    """By CUDA events, which see the device's own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(calls):
        call()
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


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """Round by round."""
    return _spread([over / under for over, under in zip(slow, fast, strict=True)])


def _spread(values: Sequence[float]) -> Spread:
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return Spread(median(values), high - low)
