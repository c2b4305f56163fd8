"""One job, the core of the product: data, baseline, prune, recover, compact, check, measure, record."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
import yaml
from torch import Tensor

from prunelab import names
from prunelab.arithmetic.process import ready, torchs_own_operators
from prunelab.config import Job
from prunelab.data.dataset import Dataset, dataset_of
from prunelab.device import device_of
from prunelab.errors import ConfigError, ExportError
from prunelab.graph.graph import Graph
from prunelab.identity import config_hash, threads_of
from prunelab.measure import forms as timing
from prunelab.measure import metrics
from prunelab.measure.files import saved
from prunelab.measure.int8 import Int8, int8_of
from prunelab.measure.latency import latency
from prunelab.measure.quality import Quality, evaluate
from prunelab.measure.size import dense_size, ratio, remaining_size
from prunelab.names import Kind
from prunelab.network.saved import Card, dense_bytes, kept_bytes
from prunelab.network.subject import graph_of, untrained
from prunelab.pruning import prune as pruning
from prunelab.pruning.calibration import Calibration, calibration
from prunelab.pruning.compaction import Compacted, compact
from prunelab.pruning.exactness import checked
from prunelab.pruning.granularity import granularity_of
from prunelab.pruning.prune import Pruned, prune
from prunelab.pruning.ranking import ranking
from prunelab.recovery import batch_norm
from prunelab.recovery.recover import Learning, Task, recover, recovery_of
from prunelab.runtime.processor import about_int8
from prunelab.tracking.environment import provenance
from prunelab.tracking.opening import open_store
from prunelab.tracking.recorder import Recorder
from prunelab.training.baseline import Baseline, baseline

log = logging.getLogger(__name__)

MEMORY_OF_SCORES = 2**28
"""Limit in bytes of the score cache, which serves jobs at other percentages; the newest entry always stays."""
_known: dict[tuple[str, str, str], list[Tensor]] = {}
"""Scores by what they depend on; those that were used last are at the end."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result returned to adaptive sweeps. `parameters` remain; `theoretical_speedup` is the ratio of MACs.

    `milliseconds` is the measured time of one batch of the smallest size that was timed, `steady` whether that time can
    be relied on; `file_bytes` what the saved network weighs. None: not measured.
    """

    run_id: str
    name: str
    test: Quality
    validation: Quality
    baseline_validation: float
    parameters: int
    theoretical_speedup: float
    milliseconds: float | None = None
    steady: bool = True
    file_bytes: int | None = None


def run(
    job: Job,
    overrides: list[str],
    sweep_id: str | None = None,
    threads: int | None = None,
    alone: bool = True,
    name: str | None = None,
) -> Result:
    """Run the job and record it, as a child of its sweep if it has one.

    Speed is measured only if `alone`: other jobs would distort the times. `name`: the run's, if not the usual one.

    Raises:
        PrunelabError: for errors that the user can fix; the run is then FAILED, with its traceback.
    """
    ready(job.trainer.arithmetic, job.trainer.accelerator == "gpu")
    torch.set_num_threads(threads_of(job, threads))
    dataset = dataset_of(job.data, device_of(job.trainer))
    store = open_store(job.tracking, job.experiment_name, waiting=sweep_id is not None)
    tags = {names.CONFIG_HASH: config_hash(job, threads), names.OVERRIDES: " ".join(overrides)}
    with store.run(Kind.JOB, name or job.run_name, sweep_id, tags) as record:
        record.params(metrics.settings(job))
        record.metrics({names.PERCENTAGE: job.percentage})
        record.tags({names.RECOVERY_TRAINS: str(recovery_of(job.recovery)[1].trains).lower()})
        dense = baseline(job, dataset, store, threads)
        record.params({"baseline_key": dense.key})
        record.tags({names.BASELINE_KEY: dense.key, names.BASELINE_RUN: dense.run_id})

        log.debug(f"baseline {dense.key}: validation accuracy {dense.validation.accuracy:.4f}")
        graph = graph_of(job.model, dataset).excluding(job.method.exclude)
        images = calibration(dataset.train, job.calibration.images, job.seed)
        scores = _scores(job, threads, dense, graph, images)
        pruned = prune(dense.network, graph, job.method, job.percentage, images, job.percentage_of, scores)
        learning = Learning(dataset, job.training, job.trainer, lambda: untrained(job.model, dataset, job.seed))
        what = (dense.network, graph, images, job.method, job.percentage, job.percentage_of)
        task = Task(*what, job.seed, learning, scores)
        log.debug(f"pruned by {job.method.name} at {job.percentage:g}%, recovery {job.recovery.name}")
        pruned = recover(pruned, task, job.recovery)
        small = compact(pruned)
        error = checked(pruned, small, dataset.validation.take(8))
        log.debug(f"compacted and masked network differ by at most {error:.1e} of the largest output; measuring")

        test, validation = evaluate(small.network, dataset.test), evaluate(small.network, dataset.validation)
        before, after = dense_size(graph, pruned.granularity), remaining_size(pruned)
        record.metrics(metrics.quality(test, validation, dense.test, dense.validation))
        others = {names.DIFFERENCE: error, names.CALIBRATION_IMAGES: len(images.first(graph))}
        record.metrics({**metrics.sizes(before, after), **others})
        record.tags(metrics.layers(pruned.granularity.layers(graph), graph))
        record.dataset(dataset.name, dataset.digest, dataset.source)
        record.files(provenance(yaml.safe_dump(job.model_dump(mode="json"), sort_keys=False)))
        networks = timing.Networks(dense.network, pruned, small.network, dataset.shape)
        size = _keep(record, job, dataset, dense, pruned, small) if job.measure.file else None
        if job.measure.log_model:
            record.model(small.network, dataset.test.take(2).cpu().numpy())
        int8 = _quantize(record, networks, dataset, images.images) if job.measure.int8 else None
        time = _time(record, job, dataset, networks, int8, alone) if job.measure.batch_sizes else None
    return Result(
        run_id=record.id,
        name=name or job.run_name,
        test=test,
        validation=validation,
        baseline_validation=dense.validation.accuracy,
        parameters=after.parameters,
        theoretical_speedup=ratio(before.multiply_adds, after.multiply_adds),
        milliseconds=None if time is None else time.milliseconds,
        steady=time is None or time.steady,
        file_bytes=size,
    )


def _scores(job: Job, threads: int | None, dense: Baseline, graph: Graph, images: Calibration) -> list[Tensor]:
    """The scores of the units of the dense network, from memory if a job of another percentage left them there."""
    others = job.model_dump_json(exclude={"percentage", "recovery", "measure"})
    key = (dense.run_id, str(threads), others)
    scores = _known.pop(key, None)
    if scores is None:
        scores = ranking(dense.network, graph, job.method, images, job.percentage_of)
    _known[key] = scores
    while len(_known) > 1 and sum(score.nbytes for each in _known.values() for score in each) > MEMORY_OF_SCORES:
        del _known[next(iter(_known))]
    return scores


def check(job: Job) -> None:
    """Refuse before any work what would fail later: missing data, networks that cannot be pruned, unknown names.

    Raises:
        PrunelabError: saying which key, and what it accepts.
    """
    timing.check(job.measure, device_of(job.trainer))
    ready(job.trainer.arithmetic, job.trainer.accelerator == "gpu")
    dataset = dataset_of(job.data)
    graph = graph_of(job.model, dataset).excluding(job.method.exclude)
    _, recovery = recovery_of(job.recovery)
    recovery.check(granularity_of(job.method))
    pruning.check(graph, job.method, job.percentage, job.percentage_of)
    for percentage in recovery.percentages(job.percentage)[:-1]:
        try:
            pruning.check(graph, job.method, percentage, job.percentage_of)
        except ConfigError as error:
            raise ConfigError(f"recovery={job.recovery.name} first prunes to {percentage:g}%: {error}") from None
    if recovery.reestimates:
        batch_norm.check(untrained(job.model, dataset, job.seed), dataset.train.take(1))


def _keep(record: Recorder, job: Job, dataset: Dataset, dense: Baseline, pruned: Pruned, small: Compacted) -> int:
    """Save the compacted network and the list of channels it kept as artifacts; returns the file size in bytes."""
    weights = tuple(layer.weight for layer in pruned.graph.layers)
    card = Card(job.model, dataset.shape, dataset.classes, dataset.normalisation, weights)
    file = saved(small.network, pruned.granularity, card)
    record.metrics(metrics.files(file, len(dense_bytes(dense.network, card))))
    record.files({names.NETWORK_FILE: file.content, names.KEPT_FILE: kept_bytes(pruned.graph, small.kept)})
    return len(file.content)


def _quantize(
    record: Recorder, networks: timing.Networks, dataset: Dataset, images: Tensor
) -> tuple[Int8, Int8] | None:
    """The dense and the pruned network in int8; None, and a tag that says why, where one cannot be quantized."""
    try:
        dense, pruned = int8_of(networks, dataset, images)
    except ExportError as error:
        record.tags({names.INT8_NOT_MEASURED: str(error)})
        return None
    record.metrics(metrics.int8(dense, pruned))
    record.tags({names.INT8_INSTRUCTIONS: about_int8()})
    return dense, pruned


def _time(
    record: Recorder,
    job: Job,
    dataset: Dataset,
    networks: timing.Networks,
    int8: tuple[Int8, Int8] | None,
    alone: bool,
) -> metrics.Time | None:
    """The measured speed of every form of the network; that of the smallest batch is returned."""
    if not alone:
        record.tags({names.SPEED_NOT_MEASURED: "jobs of this sweep may run at the same time"})
        return None
    measure = job.measure
    models = None if int8 is None else (int8[0].content, int8[1].content)
    try:
        every = timing.forms(networks, measure, dataset.device, models)
    except ExportError as error:
        record.tags({names.SPEED_NOT_MEASURED: str(error)})
        return None
    images = dataset.test.take(max(measure.batch_sizes))
    with torchs_own_operators():
        measured = [
            latency(every.operators, images, size, measure.seconds, measure.repeats, placebo=every.placebo)
            for size in measure.batch_sizes
        ]
    record.metrics({**metrics.speeds(measured, every), **metrics.models(every)})
    record.tags(metrics.fastest(measured, every))
    return metrics.time(min(measured, key=lambda each: each.batch_size), every)
