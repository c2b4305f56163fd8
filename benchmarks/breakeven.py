"""`make breakeven`: the sparsity above which a sparse product beats the dense one, by shape, batch and runtime.

    python -m benchmarks.breakeven [--quick] [--write]

A layer's weights [out, in] times a batch of images, in float32 on the threads that torch has: dense in torch and in
ONNX Runtime, as compressed sparse rows in torch (the whole batch at once, and in pieces as jobs time it) and in SciPy
(weights removed at random), and block-sparse in torch (blocks removed at random). All take turns in each round
(`prunelab.measure.latency`). It takes at most `BUDGET` seconds: once it is late, unsteady cases are not tried again.
`--write` puts the table into docs/breakeven.md and its picture beside it, `--quick` tries a few small cases.

Other packages on PyPI, not measured here (November 2026):

- sparse_dot_mkl 0.9.10 (MIT; with mkl, 221 MB) calls the product of MKL that torch calls for CSR. MKL's hints and its
  optimisation, which neither uses, change nothing (mkl 2026.2, AMD EPYC, one thread: 35 of 36 times within 4%).
- openvino 2026.4 (Apache 2, 59 MB) packs sparse weights in int8 on processors with AMX only, and multiplies densely.
- deepsparse ended in June 2025. apache-tvm 0.27 is a compiler: one has to write the schedule of a sparse kernel.
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
from torch.nn import functional

from benchmarks.breakeven_page import BLOCK, BSR, CSR, ONNX, PICTURE, PIECE, PIECES, SCIPY, Case, draw, page
from prunelab.measure.latency import ATTEMPTS, DENSE, latency
from prunelab.network.chain import Operator, chain
from prunelab.runtime import onnx

BUDGET = 270.0
"""Seconds of measuring; everything else takes less than the half minute that is left of five."""
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
    """Random weights of which whole blocks are zero, `removed` percent of them (to the nearest block).

    Where blocks do not divide the shape, the last ones reach beyond it: the sides are rounded up.
    """
    rows, columns = -(-shape[0] // block), -(-shape[1] // block)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(rows * columns, generator=generator)
    kept = torch.ones(rows * columns)
    kept[order[: round(removed / 100 * rows * columns)]] = 0
    mask = kept.reshape(rows, columns).repeat_interleave(block, 0).repeat_interleave(block, 1)
    return mask * torch.randn(rows * block, columns * block, generator=generator)


def network(shape: tuple[int, int], removed: float) -> nn.Sequential:
    """A layer of such weights, removed one by one, that takes images [n, 1, 1, in]."""
    layer = nn.Linear(shape[1], shape[0], bias=False)
    layer.weight.data = weights(shape, removed, 1)
    return nn.Sequential(nn.Flatten(), layer)


def forms(shape: tuple[int, int], removed: float) -> dict[str, Operator]:
    """The product of a layer in each form: images [n, 1, 1, in] -> [n, out], or its transpose."""
    layer = network(shape, removed)
    scattered, blocks = weights(shape, removed, 1), weights(shape, removed, BLOCK)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse .* tensor support is in beta")
        rows, block_rows = scattered.to_sparse_csr(), blocks.to_sparse_bsr((BLOCK, BLOCK))
    in_scipy = csr_matrix(scattered.numpy())

    def in_pieces(images: Tensor) -> Tensor:
        return torch.cat([rows @ piece.T for piece in images.flatten(1).split(PIECE)], dim=1)

    beyond = (0, blocks.shape[1] - shape[1])
    every: dict[str, Operator] = {
        DENSE: chain(layer),
        CSR: lambda images: rows @ images.flatten(1).T,
        PIECES: in_pieces,
        SCIPY: lambda images: in_scipy @ images.flatten(1).numpy().T,
        BSR: lambda images: (block_rows @ functional.pad(images.flatten(1), beyond).T)[: shape[0]],
    }
    if onnx.lacking() is None:
        every[ONNX] = onnx.onnx_runner(onnx.onnx_bytes(layer, (1, 1, shape[1])))
    return every


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
            placebo=chain(network(shape, removed)),
        )
        cases.append(Case(shape, batch, removed, times))
        print(cases[-1], flush=True)
    return cases


def main() -> None:
    """Measure, print, and with --write keep."""
    unknown = set(sys.argv[1:]) - {"--quick", "--write"}
    if unknown:
        sys.exit(f"breakeven: no {', '.join(sorted(unknown))}; there are --quick, --write")
    cases = measure(QUICK if "--quick" in sys.argv else WHOLE)
    content = page(cases)
    print(content)
    if "--write" in sys.argv:
        FILE.write_text(content, encoding="utf-8")
        draw(cases, FILE.with_name(PICTURE))


if __name__ == "__main__":
    main()
