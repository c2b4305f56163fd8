"""`make breakeven`: from which sparsity on a sparse product beats the dense one, by shape, batch and runtime.

    python -m benchmarks.breakeven [--quick] [--write]

A layer's weights [out, in] times a batch of images, in single precision on the threads that torch has: dense in torch
and in ONNX Runtime, as compressed sparse rows in torch and in SciPy (weights removed at random), and block-sparse in
torch (blocks of `BLOCK` x `BLOCK` removed at random). All take turns in each round (`prunelab.measure.latency`). It
takes at most `BUDGET` seconds: once it is late, unsteady cases are not tried again. `--write` puts the table into
docs/breakeven.md and its picture beside it, `--quick` tries a few small cases.

What PyPI offers besides and is not here (November 2026):

- sparse_dot_mkl 0.9.10 (MIT; with mkl, 221 MB) calls the product of MKL that torch calls for CSR. MKL's hints and its
  optimisation, which neither uses, change nothing (mkl 2026.2, AMD EPYC, one thread: 35 of 36 times within 4%).
- openvino 2026.4 (Apache 2, 59 MB) packs sparse weights in int8 on processors with AMX only, and multiplies densely.
- deepsparse ended in June 2025. apache-tvm 0.27 is a compiler: the schedule of a sparse kernel is one's own to write.
- suitesparse-graphblas 10.5 (Apache 2, 24 MB) has kernels for graphs; python-graphblas does not take that version yet.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from benchmarks.breakeven_case import ONNX, Case
from benchmarks.breakeven_picture import PICTURE, draw
from prunelab.measure.latency import ATTEMPTS, DENSE, STEADY, latency
from prunelab.network.chain import Operator
from prunelab.runtime import onnx
from prunelab.tracking.environment import machine, versions

CSR, PIECES, SCIPY, BSR = "CSR, torch", "CSR, torch, in pieces", "CSR, scipy", "BSR, torch"
SPARSE = (CSR, PIECES, SCIPY, BSR)
BLOCK = 8
PIECE = 64
"""Images at once in `PIECES`: few enough for their columns to stay in the cache."""
BUDGET = 270.0
"""Seconds of measuring; what comes before and after takes less than the half minute to five."""
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
    repeats=2,
)
QUICK = Setting(shapes=((64, 32),), batches=(1, 16), removed=(50, 99), seconds=0.002, repeats=1)


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
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse .* tensor support is in beta")
        rows, block_rows = scattered.to_sparse_csr(), blocks.to_sparse_bsr((BLOCK, BLOCK))
    in_scipy = csr_matrix(scattered.numpy())

    def in_pieces(images: Tensor) -> Tensor:
        return torch.cat([rows @ piece.T for piece in images.flatten(1).split(PIECE)], dim=1)

    every: dict[str, Operator] = {
        DENSE: dense(scattered),
        CSR: lambda images: rows @ images.flatten(1).T,
        PIECES: in_pieces,
        SCIPY: lambda images: in_scipy @ images.flatten(1).numpy().T,
        BSR: lambda images: block_rows @ images.flatten(1).T,
    }
    if onnx.lacking() is None:
        layer = nn.Linear(shape[1], shape[0], bias=False)
        layer.weight.data = scattered
        run = onnx.onnx_runner(onnx.onnx_bytes(nn.Sequential(nn.Flatten(), layer), (1, 1, shape[1])))
        every[ONNX] = lambda images: torch.from_numpy(run(images.numpy()))
    return every


def dense(layer: Tensor) -> Operator:
    """With the weights laid out for the product, in a copy of their own."""
    laid_out = layer.T.clone(memory_format=torch.contiguous_format)
    return lambda images: torch.mm(images.flatten(1), laid_out)


def measure(setting: Setting) -> list[Case]:
    """Every combination; a case that is unsteady is tried again as long as there is time for it."""
    wanted = list(product(setting.shapes, setting.removed, setting.batches))
    start = time.monotonic()
    cases: list[Case] = []
    for shape, removed, batch in wanted:
        images = torch.rand(batch, 1, 1, shape[1])
        late = (time.monotonic() - start) / BUDGET > len(cases) / len(wanted)
        times = latency(
            *(forms(shape, removed), images, batch, setting.seconds, setting.repeats),
            attempts=1 if late else ATTEMPTS,
            placebo=dense(weights(shape, removed, 1)),
        )
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
        "For people who want to run a pruned layer as a sparse matrix: where that is faster than the dense product.",
        "",
        f"`make breakeven` makes this page: {known['processor']}, {threads} thread{'' if threads == 1 else 's'}, torch "
        f"{of['torch']}{f', {onnx.version()}' if onnx.lacking() is None else ''}. A sparse product against the faster "
        "of the two dense ones (torch, ONNX Runtime): medians of ratios, all forms by turns. Weights are removed at",
        f"random, for BSR in blocks of {BLOCK} x {BLOCK}; in pieces: {PIECE} images at a time, whose columns stay in",
        "the processor's cache. Images are turned into columns within the time. n:m sparsity (granularity n_m) is",
        "missing: torch has no kernel for it on a CPU, so what prunelab says of it is about accuracy only.",
        "",
        f"![times as fast as dense, by percentage removed]({PICTURE})",
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
    if not case.times.quiet or time.relative > STEADY:
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
    cases = measure(QUICK if "--quick" in sys.argv else WHOLE)
    content = table(cases)
    print(content)
    if "--write" in sys.argv:
        FILE.write_text(content, encoding="utf-8")
        draw(cases, SPARSE, FILE.with_name(PICTURE))


if __name__ == "__main__":
    main()
