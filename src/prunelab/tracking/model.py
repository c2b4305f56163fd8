"""A network as an MLflow model, which MLflow can load and serve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import mlflow.pytorch
import numpy as np
import torch
from mlflow.models import infer_signature
from numpy.typing import NDArray
from torch import nn

from prunelab import names
from prunelab.quiet import quiet
from prunelab.tracking.environment import versions

REQUIRED = ("torch", "torchvision", "numpy")
RETRIES, PATIENT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "8"
"""MLflow uploads models with clients of its own, which retry by themselves: eight times are six minutes."""


def log_model(run_id: str, network: nn.Module, example: NDArray[np.float32]) -> None:
    """Log `network` as the model of a run, with its signature and `example` (float32 [n, channels, rows, columns])."""
    with torch.no_grad():
        signature = infer_signature(example, network(torch.from_numpy(example)).numpy())
    with _inside(run_id), quiet("mlflow"):
        mlflow.pytorch.log_model(
            network,
            name=names.MODEL,
            signature=signature,
            input_example=example,
            pip_requirements=[f"{package}=={versions()[package]}" for package in REQUIRED],
        )


@contextmanager
def _inside(run_id: str) -> Iterator[None]:
    """Make the run MLflow's active one, to which it logs models, and leave it open for its owner."""
    mlflow.start_run(run_id=run_id, log_system_metrics=False)
    before = os.environ[RETRIES]  # opening the store set it
    os.environ[RETRIES] = PATIENT
    try:
        yield
    finally:
        mlflow.end_run("RUNNING")
        os.environ[RETRIES] = before
