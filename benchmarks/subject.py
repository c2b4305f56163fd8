"""What is measured: Fashion-MNIST, the report's network, and a trained one that the benchmarks keep."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from prunelab.compose import compose_job
from prunelab.config import Job
from prunelab.data.dataset import Dataset, dataset_of
from prunelab.tracking.opening import open_store
from prunelab.training.baseline import Baseline, baseline

FOLDER = Path(__file__).parent / "results"
EPOCHS = 3


def composed(*overrides: str) -> Job:
    """A job in the benchmarks' own store, unless an override says otherwise."""
    places = [f"paths.root={FOLDER}", f"paths.data={Path.cwd() / 'data'}", "trainer.progress=false"]
    return compose_job([*places, *overrides])


def job(*overrides: str) -> Job:
    """The same with a short training."""
    return composed(f"training.epochs={EPOCHS}", *overrides)


@cache
def dataset() -> Dataset:
    """Fashion-MNIST."""
    torch.set_num_threads(torch.get_num_threads())
    return dataset_of(job().data)


@cache
def trained() -> Baseline:
    """The report's network after a short training."""
    wanted = job()
    return baseline(wanted, dataset(), open_store(wanted.tracking, wanted.experiment_name))
