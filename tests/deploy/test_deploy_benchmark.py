"""The benchmark of the smallest file runs real jobs and adds up every byte of what is exported."""

from __future__ import annotations

import numpy as np
from benchmarks.deploy import DEPLOYED, Seed, measured, summary
from benchmarks.onnx_parts import Parts, parts_of
from benchmarks.subject import composed
from tests.conftest import TIMED, Project
from tests.small import mlp

from prunelab.runtime.int8 import quantized
from prunelab.runtime.onnx import onnx_bytes


def test_the_bytes_of_an_int8_file_are_its_weights_and_little_else() -> None:
    float32 = onnx_bytes(mlp(64, 10, [40, 30]).eval(), (1, 8, 8))
    content = quantized(float32, np.random.default_rng(0).random((16, 1, 8, 8), dtype=np.float32))
    parts = parts_of(content)
    assert parts.total == len(content)
    assert parts.weights == 64 * 40 + 40 * 30 + 30 * 10
    assert parts.metadata < 100
    assert 0 < parts.graph < 6000
    whole = parts_of(float32)
    assert (whole.weights, whole.numbers) == (0, 4 * (parts.weights + 40 + 30 + 10))


def test_a_job_on_the_digits_is_exported_and_measured(project: Project) -> None:
    found = measured(composed(*DEPLOYED, *TIMED, f"paths.root={project.folder}"))
    assert found.smaller == found.dense_bytes / found.int8.total > 1
    assert found.int8.metadata > 500
    assert min(found.float32_ms, found.int8_ms, found.int8_accuracy) > 0


def test_what_is_not_met_and_what_is_unsteady_are_said() -> None:
    def seed(accuracy: float, size: int, unsteady: str) -> Seed:
        return Seed(0, 3500.0, Parts(size, size - 50, 30, 10), 0.9, accuracy, 2.0, 1.0, unsteady)

    good = summary([seed(0.89, 100, ""), seed(0.888, 90, "batch 1: 30%")])
    assert [line.rpartition(": ")[2] for line in good[:2]] == ["met", "met"]
    assert "interval" in good[1]
    assert "0.50 (median of 1)" in good[2]
    assert "graph 10" in good[3]
    bad = summary([seed(0.88, 101, "batch 1024: 30%")])
    assert [line.rpartition(": ")[2] for line in bad[:2]] == ["NOT MET", "NOT MET"]
    assert "no time was steady" in bad[2]
