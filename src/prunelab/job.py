"""One job, the line that the whole product is: data, baseline, prune, recover, compact, measure, record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import torch
import yaml

from prunelab import names
from prunelab.config import Data, Job
from prunelab.data.dataset import Dataset, load
from prunelab.device import CPU, device_of
from prunelab.measure.files import saved
from prunelab.measure.latency import forms, latency
from prunelab.measure.quality import Quality, evaluate
from prunelab.measure.size import dense_size, ratio, remaining_size
from prunelab.names import Kind
from prunelab.network.build import build
from prunelab.network.layers import linear_layers
from prunelab.network.saved import Card, dense_bytes, kept_bytes
from prunelab.pruning.calibration import calibration
from prunelab.pruning.compaction import Compacted, compact
from prunelab.pruning.prune import Pruned, prune, score_of
from prunelab.recovery.recover import Task, recover, recovery_of
from prunelab.tracking import metrics
from prunelab.tracking.record import provenance
from prunelab.tracking.store import Recorder, open_store
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


def run(
    job: Job, overrides: list[str], sweep_id: str | None = None, threads: int | None = None, alone: bool = True
) -> Result:
    """Do the job and record it, as a child of the sweep where there is one.

    Speed is measured only `alone`: beside other jobs, time says nothing.

    Raises:
        PrunelabError: for whatever a person can mend; the run is then FAILED, with its traceback.
    """
    torch.set_num_threads(job.trainer.threads or threads or os.cpu_count() or 1)
    dataset = dataset_of(job.data, device_of(job.trainer))
    store = open_store(job.tracking, job.experiment_name)
    tags = {names.CONFIG_HASH: job.hash, names.OVERRIDES: " ".join(overrides)}
    with store.run(Kind.JOB, job.run_name, sweep_id, tags) as record:
        record.params(metrics.settings(job))
        record.metrics({names.PERCENTAGE: job.percentage})
        dense = baseline(job, dataset, store)
        record.params({"baseline_key": dense.key})
        record.tags({names.BASELINE_KEY: dense.key, names.BASELINE_RUN: dense.run_id})

        images = calibration(dataset.train, job.calibration.images, job.seed)
        pruned = prune(dense.network, job.method, job.percentage, images)
        pruned = recover(pruned, Task(job, dataset, images, dense.network))
        small = compact(pruned.network, pruned.masks)

        test, validation = evaluate(pruned.network, dataset.test), evaluate(pruned.network, dataset.validation)
        before, after = dense_size(dense.network, job.method.granularity), remaining_size(pruned)
        record.metrics(metrics.quality(test, validation, dense.test, dense.validation))
        record.metrics(metrics.sizes(before, after))
        record.dataset(dataset.name, dataset.digest, dataset.source)
        record.files(provenance(yaml.safe_dump(job.model_dump(mode="json"), sort_keys=False)))
        if job.measure.file:
            _keep(record, job, dataset, dense, small)
        if job.measure.log_model:
            record.model(small.network, dataset.test.images[:2].cpu().numpy())
        if job.measure.batch_sizes:
            _time(record, job, dataset, dense, pruned, small, alone)
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
    device_of(job.trainer)
    dataset = dataset_of(job.data)
    linear_layers(build(job.model, dataset.features, len(dataset.classes), job.seed))
    score_of(job.method)
    recovery_of(job.recovery)


@cache
def dataset_of(config: Data, device: torch.device = CPU) -> Dataset:
    """The data set, loaded once per process, and moved to a device once."""
    return load(config) if device == CPU else dataset_of(config).to(device)


def _keep(record: Recorder, job: Job, dataset: Dataset, dense: Baseline, small: Compacted) -> None:
    """The compacted network, and which neurons of the dense one it holds, as artifacts of the run."""
    card = Card(job.model, dataset.shape, dataset.classes)
    file = saved(small.network, job.method.granularity, card)
    record.metrics(metrics.files(file, len(dense_bytes(dense.network, card))))
    record.files({names.NETWORK_FILE: file.content, names.KEPT_FILE: kept_bytes(small.kept)})


def _time(
    record: Recorder, job: Job, dataset: Dataset, dense: Baseline, pruned: Pruned, small: Compacted, alone: bool
) -> None:
    """The measured speed of every form of the network."""
    if not alone:
        record.tags({names.SPEED_NOT_MEASURED: "jobs of this sweep may run at the same time"})
        return
    every = forms(dense.network, pruned, small.network)
    measure = job.measure
    measured = [
        latency(every, dataset.test.images, size, measure.seconds, measure.repeats) for size in measure.batch_sizes
    ]
    record.metrics(metrics.speeds(measured))
    record.tags(metrics.fastest(measured))
