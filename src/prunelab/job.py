"""One job, the line that the whole product is: data, baseline, prune, recover, measure, record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import torch
import yaml

from prunelab import names
from prunelab.config import Data, Job
from prunelab.data.dataset import Dataset, load
from prunelab.measure.quality import Quality, evaluate
from prunelab.measure.size import Size, dense_size, ratio, remaining_size
from prunelab.names import Kind
from prunelab.network.build import build
from prunelab.network.layers import linear_layers
from prunelab.pruning.calibration import calibration
from prunelab.pruning.prune import prune, score_of
from prunelab.recovery.recover import Task, recover, recovery_of
from prunelab.tracking.record import provenance
from prunelab.tracking.store import open_store
from prunelab.training.baseline import Baseline, baseline


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished job has to say to a sweep that decides by it. `parameters` remain; `speedup` is theoretical."""

    run_id: str
    name: str
    test: Quality
    validation: Quality
    baseline_validation: float
    parameters: int
    speedup: float


def run(job: Job, overrides: list[str], sweep_id: str | None = None, threads: int | None = None) -> Result:
    """Do the job and record it, as a child of the sweep where there is one.

    Raises:
        PrunelabError: for whatever a person can mend; the run is then FAILED, with its traceback.
    """
    torch.set_num_threads(job.trainer.threads or threads or os.cpu_count() or 1)
    dataset = dataset_of(job.data)
    store = open_store(job.tracking, job.experiment_name)
    tags = {names.CONFIG_HASH: job.hash, names.OVERRIDES: " ".join(overrides)}
    with store.run(Kind.JOB, job.run_name, sweep_id, tags) as record:
        record.params(_settings(job))
        record.metrics({names.PERCENTAGE: job.percentage})
        dense = baseline(job, dataset, store)
        record.params({"baseline_key": dense.key})
        record.tags({names.BASELINE_KEY: dense.key, names.BASELINE_RUN: dense.run_id})

        images = calibration(dataset.train, job.calibration.images, job.seed)
        pruned = prune(dense.network, job.method, job.percentage, images)
        pruned = recover(pruned, Task(job, dataset, images, dense.network))
        test, validation = (
            evaluate(pruned.network, dataset.test),
            evaluate(pruned.network, dataset.validation),
        )

        before, after = dense_size(dense.network, job.method.granularity), remaining_size(pruned)
        record.metrics(_quality(test, validation, dense))
        record.metrics(_sizes(before, after))
        record.dataset(dataset.name, dataset.digest, dataset.source)
        record.files(provenance(yaml.safe_dump(job.model_dump(mode="json"), sort_keys=False)))
    return Result(
        run_id=record.id,
        name=job.run_name,
        test=test,
        validation=validation,
        baseline_validation=dense.validation.accuracy,
        parameters=after.parameters,
        speedup=ratio(before.multiply_adds, after.multiply_adds),
    )


def check(job: Job) -> None:
    """Refuse before any work what would fail later: data that cannot be had, names that lead nowhere.

    Raises:
        PrunelabError: saying which key, and what it accepts.
    """
    dataset = dataset_of(job.data)
    linear_layers(build(job.model, dataset.features, len(dataset.classes), job.seed))
    score_of(job.method)
    recovery_of(job.recovery)


@cache
def dataset_of(config: Data) -> Dataset:
    """The data set, loaded once per process."""
    return load(config)


def _settings(job: Job) -> dict[str, object]:
    return {
        "method": job.method.name,
        "percentage": f"{job.percentage:g}",
        "granularity": job.method.granularity.value,
        "score": job.method.score,
        "scope": job.method.scope.value,
        "recovery": job.recovery.name,
        "seed": job.seed,
        "data": job.data.name,
        "model": job.model.name,
        "epochs": job.training.epochs,
        "batch_size": job.training.batch_size,
        "learning_rate": job.training.learning_rate,
        "precision": job.training.precision.value,
    }


def _quality(test: Quality, validation: Quality, dense: Baseline) -> dict[str, float]:
    return {
        names.TEST_ACCURACY: test.accuracy,
        names.TEST_LOSS: test.loss,
        names.VAL_ACCURACY: validation.accuracy,
        names.VAL_LOSS: validation.loss,
        names.BASELINE_ACCURACY: dense.test.accuracy,
        names.BASELINE_LOSS: dense.test.loss,
        names.BASELINE_VAL_ACCURACY: dense.validation.accuracy,
        names.ACCURACY_DROP: dense.test.accuracy - test.accuracy,
    }


def _sizes(dense: Size, remaining: Size) -> dict[str, float]:
    per_layer = {
        names.layer(prefix, number): units
        for prefix, size in ((names.UNITS, dense), (names.REMAINING, remaining))
        for number, units in enumerate(size.layers, start=1)
    }
    return {
        names.WEIGHTS_TOTAL: dense.weights,
        names.WEIGHTS_REMAINING: remaining.weights,
        names.NEURONS_TOTAL: dense.neurons,
        names.NEURONS_REMAINING: remaining.neurons,
        names.COMPRESSION_RATIO: ratio(dense.parameters, remaining.parameters),
        names.THEORETICAL_SPEEDUP: ratio(dense.multiply_adds, remaining.multiply_adds),
        **per_layer,
    }
