"""How long a network takes, measured: the dense one and every form of the pruned one, in turn, in one process.

Networks are timed as chains of operators (`prunelab.network.chain`), all alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from prunelab.network.chain import Operator, chain, csr_chain
from prunelab.pruning.prune import Pruned
from prunelab.quiet import quiet

DENSE, MASKED, COMPACTED, CSR = "dense", "masked", "compacted", "csr"
BLOCKS = 5
SLOW = 1.3


@dataclass(frozen=True, slots=True)
class Latency:
    """Median milliseconds that a batch takes in each form.

    `drift` is by what factor the dense network's time differed between the beginning and the end of the measurement.
    """

    batch_size: int
    milliseconds: dict[str, float]
    drift: float = 1.0

    @property
    def fastest(self) -> str:
        """The pruned form that takes least: masked, compacted or csr."""
        return min((form for form in self.milliseconds if form != DENSE), key=self.milliseconds.__getitem__)

    @property
    def speedup(self) -> float:
        """Dense over fastest."""
        return self.milliseconds[DENSE] / self.milliseconds[self.fastest]


def forms(dense: nn.Module, pruned: Pruned, compacted: nn.Module) -> dict[str, Operator]:
    """What is timed: the dense network; the pruned one with its zeros, without them, and for weights as CSR."""
    every = {DENSE: chain(dense), MASKED: chain(pruned.network), COMPACTED: chain(compacted)}
    sparse = csr_chain(compacted) if pruned.granularity.sparse else None
    return every if sparse is None else {**every, CSR: sparse}


@torch.no_grad()
def latency(forms: Mapping[str, Operator], images: Tensor, batch_size: int, seconds: float, repeats: int) -> Latency:
    """Time a batch of `images` ([n, ...], repeated as often as it takes).

    In each of `repeats` rounds every form has its turn of about `seconds`, after a warm-up, and the dense network
    another at the end, which shows whether the machine was steady. Torch's threads are those that are set.
    """
    batch = images[torch.arange(batch_size, device=images.device) % len(images)]
    measure = _on_cuda if batch.is_cuda else _on_cpu
    turns: dict[str, list[list[float]]] = {form: [] for form in forms}
    for _ in range(repeats):
        for form, run in forms.items():
            turns[form].append(measure(run, batch, seconds))
    turns[DENSE].append(measure(forms[DENSE], batch, seconds))
    first, last = median(turns[DENSE][0]), median(turns[DENSE][-1])
    times = {form: 1000 * median(time for turn in every for time in turn) for form, every in turns.items()}
    return Latency(batch_size, times, max(first, last) / min(first, last))


def _on_cpu(run: Operator, batch: Tensor, seconds: float) -> list[float]:
    """Seconds per call, of each block of calls; torch's timer warms up before each, and the first finds their size."""
    with quiet("torch.utils.cpp_extension"):  # it warns of a CUDA compiler without a GPU
        from torch.utils.benchmark import Timer
    timer = Timer("run(batch)", globals={"run": run, "batch": batch}, num_threads=torch.get_num_threads())
    first = float(timer.timeit(1).mean)
    if first > SLOW * seconds:  # warmed up twice by now; a few more calls would cost more than they tell
        return [first]
    calls = max(1, int(seconds / BLOCKS / first))
    blocks = max(1, min(BLOCKS, round(seconds / first / calls)))
    return [float(timer.timeit(calls).mean) for _ in range(blocks)] + [first] * (calls == 1)


def _on_cuda(run: Operator, batch: Tensor, seconds: float) -> list[float]:
    """The same by CUDA events, which see the device's own clock."""
    for _ in range(3):
        run(batch)
    calls = max(1, int(seconds / BLOCKS / _events(run, batch, 1)))
    return [_events(run, batch, calls) for _ in range(BLOCKS)]


def _events(run: Operator, batch: Tensor, calls: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(calls):
        run(batch)
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000 / calls
