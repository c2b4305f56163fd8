"""What a job measured, under the names that the store has for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from prunelab import names
from prunelab.config import Job
from prunelab.graph.graph import Graph
from prunelab.measure.files import SavedNetwork
from prunelab.measure.forms import INT8, INT8_DENSE, Forms
from prunelab.measure.int8 import Int8
from prunelab.measure.latency import AGREEING, DENSE, SHORT, STEADY, Latency, Spread
from prunelab.measure.quality import Quality
from prunelab.measure.size import Size, ratio

LONGEST_TAG = 8000
"""Characters; MLflow refuses longer ones."""


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


def int8(dense: Int8, pruned: Int8) -> dict[str, float]:
    """Accuracy and bytes of the quantized networks."""
    return {
        names.INT8_ACCURACY: pruned.test.accuracy,
        names.INT8_LOSS: pruned.test.loss,
        names.INT8_VAL_ACCURACY: pruned.validation.accuracy,
        names.INT8_BYTES: len(pruned.content),
        names.INT8_BASELINE_ACCURACY: dense.test.accuracy,
        names.INT8_BASELINE_BYTES: len(dense.content),
    }


def speeds(latencies: Sequence[Latency], forms: Forms) -> dict[str, float]:
    """Milliseconds of every form and of the fastest, the speedup that the fastest is, and the spread of each."""
    found: dict[str, Spread] = {}
    for measured in latencies:
        size, fastest = measured.batch_size, measured.fastest(forms.reported)
        for form in forms.operators:
            if form not in (INT8, INT8_DENSE):
                found[names.latency(size, form)] = measured.milliseconds(form)
        found[names.latency(size)] = measured.milliseconds(fastest)
        found[names.speedup(size)] = measured.speedup(fastest)
        if INT8 in forms.operators:
            found[names.int8(names.latency(size, DENSE))] = measured.milliseconds(INT8_DENSE)
            found[names.int8(names.latency(size))] = measured.milliseconds(INT8)
            found[names.int8(names.speedup(size))] = measured.speedup(INT8)
    medians = {name: spread.median for name, spread in found.items()}
    return medians | {names.iqr(name): spread.iqr for name, spread in found.items()}


def fastest(latencies: Sequence[Latency], forms: Forms) -> dict[str, str]:
    """Tags: what ran the networks, how busy the machine was, which form was the fastest at each batch size, and which
    times are not to be trusted.
    """
    tags = {f"{names.FASTEST}batch_{each.batch_size}": each.fastest(forms.reported) for each in latencies}
    tags[names.SPEED_RUNTIME] = forms.runtime
    doubts = {each.batch_size: _doubts(each, _quoted(each, forms)) for each in latencies}
    if loads := [each.load for each in latencies if each.load is not None]:
        tags[names.SPEED_LOAD] = str(max(loads, key=lambda load: load.others))
    if any(doubts.values()):
        tags[names.SPEED_UNSTEADY] = ", ".join(f"batch {size}: {said}" for size, said in doubts.items() if said)
    return tags


def _doubts(measured: Latency, forms: Sequence[str]) -> str:
    """Why these times are not to be trusted; empty where they are."""
    scatter = measured.unsteadiness(forms)
    said = [f"{100 * scatter:.0f}%"] if scatter > STEADY else []
    if measured.disagreement > AGREEING:
        said.append(f"the unpruned network timed twice differs by {100 * measured.disagreement:.0f}%")
    if measured.short > SHORT:
        said.append(f"{measured.short:.1f} cores were missing")
    return " and ".join(said)


def models(forms: Forms) -> dict[str, float]:
    """Bytes of the float32 ONNX model, where one was timed."""
    return {} if forms.onnx_bytes is None else {names.ONNX_BYTES: forms.onnx_bytes}


@dataclass(frozen=True, slots=True)
class Time:
    """What one batch takes in the fastest form, and whether that was measured steadily."""

    milliseconds: float
    steady: bool


def time(measured: Latency, forms: Forms) -> Time:
    """Of one batch size."""
    milliseconds = measured.milliseconds(measured.fastest(forms.reported)).median
    return Time(milliseconds, measured.steady(_quoted(measured, forms)))


def _quoted(measured: Latency, forms: Forms) -> list[str]:
    """The forms whose numbers are shown beside one another."""
    int8 = [INT8] if INT8 in forms.operators else []
    return [DENSE, measured.fastest(forms.reported), *int8]
