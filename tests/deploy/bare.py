"""A Python that has nothing but a few packages: what someone has who is given an exported file and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ONNX = ("onnxruntime", "numpy", "numpy.libs")
TORCH = (
    *("torch", "torchgen", "functorch", "nvidia", "safetensors"),
    *("typing_extensions.py", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec"),
)
"""Torch and safetensors, and what torch itself requires: numpy is not among it."""


def only(folder: Path, packages: tuple[str, ...]) -> Path:
    """A folder that holds these packages of this environment and no other."""
    folder.mkdir()
    for name in packages:
        for kind in ("purelib", "platlib"):
            place = Path(sysconfig.get_paths()[kind]) / name
            if place.exists() and not (folder / name).exists():
                (folder / name).symlink_to(place)
    return folder


def bare(packages: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python without site-packages and with these."""
    return subprocess.run(
        [sys.executable, "-S", "-s", "-W", "ignore", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
