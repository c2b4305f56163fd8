"""A recorded sweep read back from the store."""

from __future__ import annotations

import json

import pandas as pd
from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.errors import StoreError
from prunelab.report.results import Results
from prunelab.tracking.store import Store

CURVE_METRICS = (names.TRAIN_ACCURACY, names.TRAIN_LOSS, names.VAL_ACCURACY, names.VAL_LOSS)


def read_sweep(store: Store, sweep_id: str) -> Results:
    """What finished of the sweep.

    Raises:
        StoreError: if nothing did.
    """
    sweep = store.client.get_run(sweep_id)
    newest = {run.data.tags[names.CONFIG_HASH]: run for run in reversed(store.children(sweep_id)) if _finished(run)}
    finished = list(newest.values())
    if not finished:
        raise StoreError(f"sweep {sweep.info.run_name} ({sweep_id}) has no finished job: there is nothing to report")
    rows = pd.DataFrame([_row(run) for run in finished])
    baselines = dict.fromkeys(run.data.tags[names.BASELINE_RUN] for run in finished)
    curves = {run_id: {metric: store.history(run_id, metric) for metric in CURVE_METRICS} for run_id in baselines}
    verdicts = tuple(json.loads(sweep.data.tags.get(names.VERDICTS, "[]")))
    return Results(sweep.info.run_name, rows, curves, verdicts)


def _finished(run: MlflowRun) -> bool:
    return bool(run.info.status == "FINISHED")


def _row(run: MlflowRun) -> dict[str, object]:
    parameters = {key: value for key, value in run.data.params.items() if key != names.PERCENTAGE}
    return {"run_id": run.info.run_id, **parameters, **run.data.metrics}
