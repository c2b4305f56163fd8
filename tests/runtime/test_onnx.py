"""ONNX Runtime as jobs and exports use it."""

from __future__ import annotations

import time

import pytest
import torch
from tests.small import mlp

from prunelab.measure.latency import SETTLED
from prunelab.runtime import onnx

pytest.importorskip("onnxruntime", reason="pip install -e '.[onnx]'")


def test_threads_of_onnx_runtime_are_at_rest_soon_after_a_call() -> None:
    """As they spin for 40 ms by default, they would take the cores from the form whose turn is next."""
    run = onnx.onnx_runner(onnx.onnx_bytes(mlp(64, 10, [200, 200]).eval(), (1, 8, 8)), threads=2)
    images = torch.rand(256, 1, 8, 8)
    spent = []
    for _ in range(3):
        run(images)
        time.sleep(SETTLED)
        before = time.process_time()
        time.sleep(0.03)
        spent.append(time.process_time() - before)
    assert min(spent) < 0.01
