"""Small sweeps made by hand, for tests of what is drawn from them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd

from prunelab import names
from prunelab.report.pictures import Filters, Picture
from prunelab.report.provenance import DataSource, Provenance
from prunelab.report.results import Results

HOSTILE = "<script>hit = 1</script><img src=x onerror='hit = 1'><b>x</b>"
CURVES = {"a": {names.TRAIN_LOSS: {0: 0.9, 1: 0.5}, names.VAL_LOSS: {0: 0.8, 1: 0.6}, names.TRAIN_ACCURACY: {0: 0.7}}}


def job(method: str, percentage: float, seed: int = 0, **others: Any) -> dict[str, Any]:
    """A job that loses accuracy from 60% on, a little differently for each seed."""
    accuracy = 0.9 - 0.001 * seed - max(0.0, percentage - 60) / 50
    ratio = 1 / (1.001 - percentage / 100)
    return {
        **{"run_id": f"{method}-{percentage}-{seed}", "method": method, "recovery": "none", "seed": str(seed)},
        **{"granularity": "neuron" if "neuron" in method else "weight", "data": "digits", "model": "mlp"},
        **{"epochs": "1", "batch_size": "1", "learning_rate": "1", "precision": "float32"},
        **{names.PERCENTAGE: float(percentage), names.TEST_ACCURACY: accuracy, names.VAL_ACCURACY: accuracy - 0.002},
        **{names.TEST_LOSS: 12 - 12 * accuracy, names.ACCURACY_DROP: 0.9 - accuracy},
        **{names.BASELINE_ACCURACY: 0.9, names.BASELINE_LOSS: 0.3, names.BASELINE_VAL_ACCURACY: 0.898},
        **{names.COMPRESSION_RATIO: ratio, names.THEORETICAL_SPEEDUP: 1.2 * ratio},
        **{names.WEIGHTS_REMAINING: round(9000 / ratio), names.NEURONS_REMAINING: 100 - percentage},
        **{names.layer(names.UNITS, number): 1000 * number for number in (1, 2)},
        **{names.layer(names.REMAINING, number): 10 * number * (100 - percentage) for number in (1, 2)},
        **others,
    }


def results(*jobs: dict[str, Any], curves: dict[str, Any] | None = None) -> Results:
    return Results("a sweep", pd.DataFrame(jobs), CURVES if curves is None else curves)


def ordinary() -> Results:
    """Three series, one with a name that means harm, at five percentages with two seeds."""
    return results(
        *(
            job(method, percentage, seed)
            for method in ("weight", "neuron_layer", HOSTILE)
            for percentage in (0, 20, 60, 80, 100)
            for seed in (0, 1)
        )
    )


def everything_measured() -> Results:
    """Two series at four percentages with three seeds and a value in every column."""
    jobs = []
    for method, recovery in (("weight", "none"), ("neuron_activation", "least_squares_finetune")):
        for percentage in (0, 20, 60, 80):
            for seed in range(3):
                small = 1.001 - percentage / 100
                times = {
                    names.speedup(1): 1 / small,
                    names.speedup(1024): 2 / small,
                    names.latency(1, "compacted"): small,
                }
                size = {names.FILE_BYTES: 9e6 * small, names.ONNX_BYTES: 9.5e6 * small, names.INT8_BYTES: 2.4e6 * small}
                int8 = {names.INT8_ACCURACY: 0.88, names.INT8_VAL_ACCURACY: 0.87, names.WEIGHTS_REMAINING: 2386000}
                form = {f"{names.FASTEST}batch_{batch}": "compacted" for batch in (1, 1024)}
                empty = {names.layer(names.REMAINING, 2): 0 if percentage == 80 else 10}
                jobs.append(job(method, percentage, seed, recovery=recovery, **times, **size, **int8, **form, **empty))
    return results(*jobs)


def provenance() -> Provenance:
    return Provenance(
        sweep_id="0123abcd",
        started="2026-01-31 12:00:00 UTC",
        overrides=("method=weight,neuron", f"name={HOSTILE}"),
        config="percentage: 20.0\n",
        commits=("c0ffee, with uncommitted changes",),
        versions={"torch": "2.9"},
        machine={"cores": 2},
        data=(DataSource("digits", "f6d9e39f", "scikit-learn"),),
    )


def pictures() -> list[Picture]:
    weights = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    weights[::2] = 0
    inputs = np.abs(weights).sum(axis=0).reshape(8, 8)
    inputs[0] = 0
    return [Picture(series, 50, "hidden_1", weights, inputs) for series in ("weight", HOSTILE)]


def convolutional_pictures() -> list[Picture]:
    """Of two series: ten 3x3 filters for colour images, every second one gone, and the next convolution."""
    filters = np.random.default_rng(0).normal(size=(10, 3, 3, 3)).astype(np.float32)
    filters[1::2] = 0
    kernels = np.random.default_rng(1).normal(size=(20, 10, 3, 3)).astype(np.float32)
    kernels[:, 1::2] = 0
    norms = np.sqrt((kernels**2).sum(axis=(2, 3)))
    return [
        Picture(series, 50, "layer1.0.conv1", norms, filters=Filters("conv1", filters), kernels=kernels)
        for series in ("weight", HOSTILE)
    ]


LONG_NAMES = tuple(f"features.denseblock{n // 12 + 1}.denselayer{n % 12 + 1}.conv{n % 2 + 1}" for n in range(50))
FEW_NAMES = ("conv1", "fc1")


def layered(method: str, percentage: float, layers: tuple[str, ...], **others: Any) -> dict[str, Any]:
    """A job on a network with these layers, of which the last loses most and is empty from 90% on."""
    counts: dict[str, Any] = {names.LAYERS: json.dumps(layers)}
    for number in range(1, len(layers) + 1):
        left = max(0.0, 1 - percentage / 90 * (0.3 + 0.7 * number / len(layers)))
        counts |= {
            names.layer(names.UNITS, number): 64 * number,
            names.layer(names.REMAINING, number): round(64 * number * left),
        }
    numbered = (names.UNITS, names.REMAINING)
    common = {key: value for key, value in job(method, percentage).items() if not key.startswith(numbered)}
    return {**common, **counts, **others}


def deep() -> Results:
    """Two series with 50 layers each and two with few, at seven percentages."""
    return results(
        *(
            layered(method, percentage, layers)
            for method, layers in (
                *(("weight", LONG_NAMES), ("neuron", LONG_NAMES[:49])),
                *(("neuron_layer", FEW_NAMES), ("weight_layer", ("conv1", "conv2", "fc1"))),
            )
            for percentage in (0, 20, 40, 60, 80, 90, 99)
        )
    )


def two_networks() -> Results:
    """One method on two networks: the unpruned accuracies are 0.9 and 0.6, and both lose little up to 50%."""
    return results(
        *(
            layered("neuron", percentage, layers, model=model, **_around(unpruned, percentage))
            for model, layers, unpruned in (("vgg_small", FEW_NAMES, 0.9), ("resnet8", LONG_NAMES[:10], 0.6))
            for percentage in (20, 50, 90)
        )
    )


def _around(unpruned: float, percentage: float) -> dict[str, float]:
    accuracy = unpruned - (0.005 if percentage <= 50 else 0.4)
    return {
        **{names.BASELINE_ACCURACY: unpruned, names.BASELINE_VAL_ACCURACY: unpruned},
        **{names.BASELINE_LOSS: 1 - unpruned, names.TEST_ACCURACY: accuracy, names.VAL_ACCURACY: accuracy},
    }


def many(series: int, percentages: int, seeds: int) -> Results:
    share = 100 / percentages
    return results(
        *(
            job(f"method_{number}", math.floor(share * step), seed)
            for number in range(series)
            for step in range(percentages)
            for seed in range(seeds)
        )
    )
