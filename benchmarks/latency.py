"""Whether the latency that prunelab reports is what a plain script measures: the same exported file, in turns."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

import prunelab
from benchmarks import subject
from benchmarks.ratio import Ratio, in_turns
from prunelab.arithmetic.process import torchs_own_operators
from prunelab.deploy.timed import file_times
from prunelab.measure.latency import DENSE
from prunelab.runtime.onnx import onnx_bytes, onnx_runner

SIZES = (1, 1024)
REMOVED = (0, 80)
"""Percent of neurons: the unpruned network, and a pruned one."""
TURNS = 5
WITHIN = 0.1
"""Prunelab's time may be this share longer or shorter than the plain script's."""
SCRIPT = Path(__file__).with_name("plain_onnx.py")


def measure() -> list[Ratio]:
    """For the report's network, unpruned and pruned, at the batch sizes that jobs time."""
    data, ratios = subject.dataset(), []
    for removed in REMOVED:
        pruned = prunelab.prune(subject.trained().network, data.train.take(512), percentage=removed)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            file.write_bytes(onnx_bytes(pruned.network, data.shape))
            label = f"latency of a file, {removed}% of neurons removed"
            ratios += by_turns(label, file, data.test.take(max(SIZES)))
    return ratios


def by_turns(label: str, file: Path, images: Tensor, sizes: Sequence[int] = SIZES) -> list[Ratio]:
    """One ratio for each batch size: the time that prunelab reports of the file over the script's."""
    ours, theirs = in_turns(lambda: _reported(file, images, sizes), lambda: _plain(file, images, sizes), TURNS)
    return [
        Ratio(
            f"{label}, batch {size}: prunelab / a plain script",
            median(found[size] for found in ours),
            median(found[size] for found in theirs),
            target=1 + WITHIN,
            repeats=TURNS,
            least=1 - WITHIN,
        )
        for size in sizes
    ]


def _reported(file: Path, images: Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Measured as prunelab-export does: two sessions of the file."""
    content = file.read_bytes()
    with torchs_own_operators():
        times = file_times(onnx_runner(content), onnx_runner(content), images, sizes)
    return {each.batch_size: each.milliseconds(DENSE).median / 1000 for each in times}


def _plain(file: Path, images: Tensor, sizes: Sequence[int]) -> dict[int, float]:
    """Measured in a process of its own, with as many threads."""
    command = [sys.executable, str(SCRIPT), str(file), str(torch.get_num_threads()), *map(str, sizes)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {int(size): seconds for size, seconds in json.loads(found).items()}
