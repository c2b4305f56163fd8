"""`make breakeven`: from which sparsity on a sparse product beats the dense one, by shape, batch and runtime.

    python -m benchmarks.breakeven [--quick] [--write]

A layer's weights [out, in] times a batch of images, in single precision on the threads that torch has: dense in torch
and in ONNX Runtime, as compressed sparse rows in torch and in SciPy (weights removed at random), and block-sparse in
torch (blocks of `BLOCK` x `BLOCK` removed at random). All take turns in each round (`prunelab.measure.latency`).
`--write` puts the table into docs/breakeven.md, `--quick` tries a few small cases.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from prunelab.measure.latency import DENSE, STEADY, Latency, latency
from prunelab.network.chain import Operator
from prunelab.runtime import onnx
from prunelab.tracking.environment import machine, versions

ONNX, CSR, SCIPY, BSR = "dense, onnxruntime", "CSR, torch", "CSR, scipy", "BSR, torch"
SPARSE = (CSR, SCIPY, BSR)
BLOCK = 8
FILE = Path(__file__).parents[1] / "docs" / "breakeven.md"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is tried: shapes (out, in), batches, and percentages of weights removed; seconds for each form."""

    shapes: Sequence[tuple[int, int]]
    batches: Sequence[int]
    removed: Sequence[float]
    seconds: float
    repeats: int


WHOLE = Setting(
    shapes=((1000, 784), (1000, 1000), (200, 500), (128, 1152)),
    batches=(1, 64, 1024),
    removed=(50, 70, 80, 90, 95, 98, 99),
    seconds=0.1,
    repeats=3,
)
QUICK = Setting(shapes=((64, 32),), batches=(1, 16), removed=(50, 99), seconds=0.002, repeats=1)


@dataclass(frozen=True, slots=True)
class Case:
    """One shape, batch and percentage, timed in every form."""

    shape: tuple[int, int]
    batch: int
    removed: float
    times: Latency

    @property
    def dense(self) -> str:
        """The faster of the dense forms."""
        return self.times.fastest([form for form in (DENSE, ONNX) if form in self.times.turns])

    def gain(self, form: str) -> float | None:
        """Times as fast as the faster dense form; None where the times scatter too much to say."""
        speedup = self.times.speedup(form, over=self.dense)
        return speedup.median if speedup.relative <= STEADY else None


def weights(shape: tuple[int, int], removed: float, block: int) -> Tensor:
    """Random weights of which whole blocks are zero, `removed` percent of them (to the nearest block)."""
    rows, columns = shape[0] // block, shape[1] // block
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(rows * columns, generator=generator)
    kept = torch.ones(rows * columns)
    kept[order[: round(removed / 100 * rows * columns)]] = 0
    mask = kept.reshape(rows, columns).repeat_interleave(block, 0).repeat_interleave(block, 1)
    return mask * torch.randn(rows * block, columns * block, generator=generator)


def forms(shape: tuple[int, int], removed: float) -> dict[str, Operator]:
    """The product of a layer in each form: images [n, 1, 1, in] -> [n, out], or its transpose."""
    scattered, blocks = weights(shape, removed, 1), weights(shape, removed, BLOCK)
    laid_out = scattered.T.contiguous()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse .* tensor support is in beta")
        rows, block_rows = scattered.to_sparse_csr(), blocks.to_sparse_bsr((BLOCK, BLOCK))
    in_scipy = csr_matrix(scattered.numpy())
    every: dict[str, Operator] = {
        DENSE: lambda images: torch.mm(images.flatten(1), laid_out),
        CSR: lambda images: rows @ images.flatten(1).T,
        SCIPY: lambda images: in_scipy @ images.flatten(1).numpy().T,
        BSR: lambda images: block_rows @ images.flatten(1).T,
    }
    if onnx.lacking() is None:
        layer = nn.Linear(shape[1], shape[0], bias=False)
        layer.weight.data = scattered
        run = onnx.onnx_runner(onnx.onnx_bytes(nn.Sequential(nn.Flatten(), layer), (1, 1, shape[1])))
        every[ONNX] = lambda images: torch.from_numpy(run(images.numpy()))
    return every


def measure(setting: Setting) -> list[Case]:
    """Every combination."""
    cases = []
    for shape, removed in product(setting.shapes, setting.removed):
        every = forms(shape, removed)
        for batch in setting.batches:
            images = torch.rand(batch, 1, 1, shape[1])
            times = latency(every, images, batch, setting.seconds, setting.repeats)
            cases.append(Case(shape, batch, removed, times))
            print(f"{shape[0]} x {shape[1]}, batch {batch}, {removed:g}%: {_gains(cases[-1])}", flush=True)
    return cases


def table(cases: Sequence[Case]) -> str:
    """Markdown: where each sparse form begins to win, and every case."""
    known, of = machine(), versions()
    threads = torch.get_num_threads()
    head = [
        "# From which sparsity on sparse pays",
        "",
        "For those who would run a pruned layer as a sparse matrix: where that is faster than the dense product.",
        "",
        f"`make breakeven` makes this page: {known['processor']}, {threads} thread{'' if threads == 1 else 's'}, torch "
        f"{of['torch']}{f', {onnx.version()}' if onnx.lacking() is None else ''}. A sparse product against the faster "
        "of the two dense ones (torch, ONNX Runtime): medians of ratios, all forms by turns. Weights are removed at",
        f"random, for BSR in blocks of {BLOCK} x {BLOCK}.",
        "",
        "The smallest percentage that was tried from which on a form is faster than dense (–: none):",
        "",
        f"| out x in | batch | {' | '.join(SPARSE)} |",
        f"| --- | ---: |{' ---: |' * len(SPARSE)}",
    ]
    for shape, batch in dict.fromkeys((case.shape, case.batch) for case in cases):
        own = [case for case in cases if (case.shape, case.batch) == (shape, batch)]
        begins = [breakeven(own, form) for form in SPARSE]
        written = ["–" if begin is None else f"{begin:g}%" for begin in begins]
        head.append(f"| {shape[0]} x {shape[1]} | {batch} | {' | '.join(written)} |")
    names = [DENSE, ONNX, *SPARSE]
    lines = [
        "",
        "Milliseconds of a batch, and how many times as fast as the faster dense form:",
        "",
        f"| out x in | batch | removed | {' | '.join(names)} |",
        f"| --- | ---: | ---: |{' ---: |' * len(names)}",
        *(
            f"| {case.shape[0]} x {case.shape[1]} | {case.batch} | {case.removed:g}% | "
            f"{' | '.join(_cell(case, name) for name in names)} |"
            for case in cases
        ),
        "",
    ]
    return "\n".join([*head, *lines])


def breakeven(cases: Sequence[Case], form: str) -> float | None:
    """The smallest percentage from which on `form` is faster at all larger ones too; unsteady cases decide nothing."""
    begin = None
    for case in sorted(cases, key=lambda case: -case.removed):
        gain = case.gain(form)
        if gain is None:
            continue
        if gain <= 1:
            break
        begin = case.removed
    return begin


def _cell(case: Case, form: str) -> str:
    if form not in case.times.turns:
        return ""
    time = case.times.milliseconds(form)
    if time.relative > STEADY:
        return "unsteady"
    gain = case.gain(form) if form in SPARSE else None
    return f"{time.median:.4g}" + ("" if gain is None else f" ({gain:.2f}x)")


def _gains(case: Case) -> str:
    found = {form: case.gain(form) for form in SPARSE}
    return ", ".join(f"{form} {'unsteady' if gain is None else f'{gain:.2f}x'}" for form, gain in found.items())


def main() -> None:
    """Measure, print, and with --write keep."""
    unknown = set(sys.argv[1:]) - {"--quick", "--write"}
    if unknown:
        sys.exit(f"breakeven: no {', '.join(sorted(unknown))}; there are --quick, --write")
    content = table(measure(QUICK if "--quick" in sys.argv else WHOLE))
    print(content)
    if "--write" in sys.argv:
        FILE.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
