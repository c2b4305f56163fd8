"""What the benchmarks measure on: Fashion-MNIST, the report's network, and a trained one that is kept between them."""

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


def job(*overrides: str) -> Job:
    """A job whose store is the benchmarks' own."""
    places = [f"paths.root={FOLDER}", f"paths.data={Path.cwd() / 'data'}", "trainer.progress=false"]
    return compose_job([*places, f"training.epochs={EPOCHS}", *overrides])


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
