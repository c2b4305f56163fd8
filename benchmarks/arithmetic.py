"""The whole of `experiment=report`, fresh store to figures, with portable and with native arithmetic."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.ratio import Ratio, compare
from prunelab.arithmetic.environment import CHOICE, PORTABLE, Arithmetic, has_avx2
from prunelab.data.fetch import obtain

REPEATS = 2
WIDE, NARROW = 1.25, 1.05
"""What portable arithmetic may cost on a processor with AVX-512, and on one with AVX2 alone."""


def measure() -> list[Ratio]:
    """Each in a process of its own, imports included; the data is there already. Speed is not measured within."""
    if not has_avx2():
        return []
    obtain(Path.cwd() / "data" / "FashionMNIST" / "raw")
    flags = Path("/proc/cpuinfo").read_text().partition("\nflags")[2].partition("\n")[0].split()
    target = WIDE if "avx512f" in flags else NARROW
    name = f"experiment=report, portable / native arithmetic ({'AVX-512' if target == WIDE else 'AVX2'})"
    return [compare(name, lambda: _report(Arithmetic.PORTABLE), lambda: _report(Arithmetic.NATIVE), target, REPEATS)]


def _report(arithmetic: Arithmetic) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in (*PORTABLE, CHOICE)}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "prunelab", "experiment=report", "measure=off", "trainer.progress=false"),
                *(f"trainer.arithmetic={arithmetic.value}", f"tracking.uri=sqlite:///{folder}/mlflow.db"),
                f"tracking.artifacts={folder}/artifacts",
            ],
            env=clean,
            stdout=subprocess.DEVNULL,
            check=True,
        )
