"""Small sweeps made by hand, for tests of what is drawn from them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from prunelab import names
from prunelab.report.pictures import Picture
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


def provenance() -> Provenance:
    return Provenance(
        sweep_id="0123abcd",
        started="2026-01-31 12:00:00 UTC",
        overrides=("method=weight,neuron", f"name={HOSTILE}"),
        config="percentage: 20.0\n",
        commits=("c0ffee, with changes not committed",),
        versions={"torch": "2.9"},
        machine={"cores": 2},
        data=(DataSource("digits", "f6d9e39f", "scikit-learn"),),
    )


def pictures() -> list[Picture]:
    weights = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    weights[::2] = 0
    inputs = np.abs(weights).sum(axis=0).reshape(8, 8)
    inputs[0] = 0
    return [Picture("weight", 50, 1, weights, inputs), Picture(HOSTILE, 50, 1, weights, inputs)]


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
