"""The whole of `experiment=report`, fresh store to figures, as processes of their own, imports included.

Against the bare program that does the same work; and portable against native arithmetic. The data is there already, and
speed is not measured within.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.process import python
from benchmarks.ratio import Ratio, compare
from prunelab.arithmetic.environment import CHOICE, PORTABLE, Arithmetic, has_avx2
from prunelab.data.fetch import obtain

DATA = Path.cwd() / "data"
REPEATS = 2
"""Of portable and native arithmetic."""
WIDE, NARROW = 1.25, 1.05
"""What portable arithmetic may cost on a processor with AVX-512, and on one with AVX2 alone."""


def measure() -> list[Ratio]:
    """Against the bare program."""
    obtain(DATA / "FashionMNIST" / "raw")
    name = "experiment=report (measure=off) / bare PyTorch program"
    return [compare(name, _report, lambda: python("-m", "benchmarks.bare", str(DATA)), target=1.5, repeats=1)]


def arithmetic() -> list[Ratio]:
    """Portable against native; none on a processor that has no portable arithmetic."""
    if not has_avx2():
        return []
    obtain(DATA / "FashionMNIST" / "raw")
    flags = Path("/proc/cpuinfo").read_text().partition("\nflags")[2].partition("\n")[0].split()
    target = WIDE if "avx512f" in flags else NARROW
    name = f"experiment=report, portable / native arithmetic ({'AVX-512' if target == WIDE else 'AVX2'})"
    return [compare(name, lambda: _report(Arithmetic.PORTABLE), lambda: _report(Arithmetic.NATIVE), target, REPEATS)]


def _report(arithmetic: Arithmetic | None = None) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in (*PORTABLE, CHOICE)}
    chosen = [] if arithmetic is None else [f"trainer.arithmetic={arithmetic.value}", "trainer.progress=false"]
    with tempfile.TemporaryDirectory() as folder:
        places = [f"paths.root={folder}", f"paths.data={DATA}"]
        python("-m", "prunelab", "experiment=report", *places, "measure=off", *chosen, env=clean if chosen else None)
