"""What was found, under the names that the store has for it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from prunelab import names
from prunelab.config import Job
from prunelab.graph.graph import Graph
from prunelab.measure.files import SavedNetwork
from prunelab.measure.latency import Latency
from prunelab.measure.quality import Quality
from prunelab.measure.size import Size, ratio

LONGEST_TAG = 8000
"""Characters; MLflow refuses longer ones."""
STEADY = 1.5
"""By what factor the dense network's own time may change while a job is measured."""


def settings(job: Job) -> dict[str, object]:
    """The parameters of a job's run."""
    return {
        "method": job.method.name,
        "percentage": f"{job.percentage:g}",
        "percentage_of": job.percentage_of.value,
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
        "arithmetic": job.trainer.arithmetic.value,
    }


def quality(test: Quality, validation: Quality, dense_test: Quality, dense_validation: Quality) -> dict[str, float]:
    """Of the pruned network, and of the dense one beside it."""
    return {
        names.TEST_ACCURACY: test.accuracy,
        names.TEST_LOSS: test.loss,
        names.VAL_ACCURACY: validation.accuracy,
        names.VAL_LOSS: validation.loss,
        names.BASELINE_ACCURACY: dense_test.accuracy,
        names.BASELINE_LOSS: dense_test.loss,
        names.BASELINE_VAL_ACCURACY: dense_validation.accuracy,
        names.ACCURACY_DROP: dense_test.accuracy - test.accuracy,
    }


def sizes(dense: Size, remaining: Size) -> dict[str, float]:
    """Counts, in all and per layer."""
    units = ((names.UNITS, dense.layers), (names.REMAINING, remaining.layers))
    per_layer = (*units, (names.MULTIPLY_ADDS, remaining.multiply_adds_per_layer))
    return {
        names.WEIGHTS_TOTAL: dense.weights,
        names.WEIGHTS_REMAINING: remaining.weights,
        names.NEURONS_TOTAL: dense.neurons,
        names.NEURONS_REMAINING: remaining.neurons,
        names.PARAMETERS_TOTAL: dense.parameters,
        names.PARAMETERS_REMAINING: remaining.parameters,
        names.MULTIPLY_ADDS_TOTAL: dense.multiply_adds,
        names.MULTIPLY_ADDS_REMAINING: remaining.multiply_adds,
        names.COMPRESSION_RATIO: ratio(dense.parameters, remaining.parameters),
        names.THEORETICAL_SPEEDUP: ratio(dense.multiply_adds, remaining.multiply_adds),
        **{names.layer(prefix, n): value for prefix, values in per_layer for n, value in enumerate(values, start=1)},
    }


def layers(own: Sequence[str], graph: Graph) -> dict[str, str]:
    """Tags: the names of the layers that the numbered metrics are of; left out where they are too long for a tag."""
    tags = {names.LAYERS: json.dumps(own), names.ALL_LAYERS: json.dumps([layer.name for layer in graph.layers])}
    return {name: value for name, value in tags.items() if len(value) <= LONGEST_TAG}


def files(saved: SavedNetwork, dense_bytes: int) -> dict[str, float]:
    """Bytes of the saved network, and of the dense one."""
    sparse = {} if saved.sparse is None else {names.FILE_SPARSE_BYTES: saved.sparse}
    return {
        names.FILE_BYTES: len(saved.content),
        names.FILE_GZIP_BYTES: saved.gzipped(),
        names.FILE_DENSE_BYTES: saved.dense,
        names.BASELINE_FILE_BYTES: dense_bytes,
        **sparse,
    }


def speeds(latencies: Sequence[Latency]) -> dict[str, float]:
    """Milliseconds of every form and of the fastest, and the speedup that the fastest is."""
    found: dict[str, float] = {}
    for measured in latencies:
        size = measured.batch_size
        found |= {names.latency(size, form): value for form, value in measured.milliseconds.items()}
        found[names.latency(size)] = measured.milliseconds[measured.fastest]
        found[names.speedup(size)] = measured.speedup
    return found


def fastest(latencies: Sequence[Latency]) -> dict[str, str]:
    """Tags: which form was the fastest at each batch size, and whether the times can be trusted."""
    tags = {f"{names.FASTEST}batch_{measured.batch_size}": measured.fastest for measured in latencies}
    unsteady = [f"batch {each.batch_size}: {each.drift:.1f}x" for each in latencies if each.drift > STEADY]
    return {**tags, names.SPEED_UNSTEADY: ", ".join(unsteady)} if unsteady else tags
