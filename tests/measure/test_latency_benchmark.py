"""The benchmark of truth: a plain script and prunelab measure the same file, and both directions count."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks import latency as benchmark
from benchmarks.ratio import Ratio
from tests.documents import ROOT
from tests.small import mlp

from prunelab.arithmetic.environment import CHOICE, PORTABLE, has_avx2
from prunelab.runtime.onnx import onnx_bytes


def test_a_file_is_timed_by_prunelab_and_by_a_plain_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "TURNS", 1)
    file = tmp_path / "network.onnx"
    file.write_bytes(onnx_bytes(mlp(64, 4, [16, 12]).eval(), (1, 8, 8)))
    found = benchmark.by_turns("a file", file, torch.rand(4, 1, 8, 8), sizes=(1, 4))
    assert [ratio.name for ratio in found] == [f"a file, batch {n}: prunelab / a plain script" for n in (1, 4)]
    assert all(0 < ratio.ours < 1 and 0 < ratio.theirs < 1 for ratio in found)


@pytest.mark.slow
@pytest.mark.skipif(not has_avx2(), reason="portable arithmetic needs AVX2")
def test_benchmarks_import_prunelab_before_torch_so_that_they_measure_portable_arithmetic() -> None:
    probe = (
        "import benchmarks.__main__\nfrom prunelab.arithmetic.environment import effective\nprint(effective().value)"
    )
    clean = {name: value for name, value in os.environ.items() if name not in (*PORTABLE, CHOICE)}
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout == "portable\n"


def test_the_plain_script_knows_nothing_of_prunelab() -> None:
    nodes = list(ast.walk(ast.parse(benchmark.SCRIPT.read_text())))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"json", "sys", "time", "numpy", "onnxruntime"}
    assert not any(isinstance(node, ast.ImportFrom) for node in nodes)


@pytest.mark.parametrize(("ours", "met"), [(0.85, False), (0.95, True), (1.05, True), (1.15, False)])
def test_a_ratio_may_be_too_small_too(ours: float, met: bool) -> None:
    assert Ratio("", ours, 1.0, target=1.1, repeats=1, least=0.9).met is met
