"""The whole of `experiment=report`, fresh store to figures, against the bare program that does the same work."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.ratio import Ratio, compare
from prunelab.data.fetch import obtain


def measure() -> list[Ratio]:
    """Both as processes of their own, imports included; the data is there already."""
    data = Path.cwd() / "data"
    obtain(data / "FashionMNIST" / "raw")

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            _run(["-m", "prunelab", "experiment=report", f"paths.root={folder}", f"paths.data={data}", "measure=off"])

    return [
        compare(
            "experiment=report (measure=off) / bare PyTorch program",
            ours,
            lambda: _run(["-m", "benchmarks.bare", str(data)]),
            target=1.5,
            repeats=1,
        )
    ]


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
