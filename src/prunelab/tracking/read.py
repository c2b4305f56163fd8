"""A recorded sweep read back from the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.errors import StoreError
from prunelab.network.packed import unpack, unpack_kept
from prunelab.report.bars import Bars
from prunelab.report.pictures import Picture, picture
from prunelab.report.provenance import DataSource, Provenance, merged
from prunelab.report.results import Results
from prunelab.tracking.store import Store

HALF = 50.0
PICTURES = 8
SPOKEN = (
    *(names.LAYERS, names.ALL_LAYERS, names.OVERRIDES, names.CONFIG_HASH, names.RECOVERY_TRAINS),
    *(names.SPEED_NOT_MEASURED, names.SPEED_UNSTEADY),
    *(names.SPEED_RUNTIME, names.INT8_INSTRUCTIONS, names.INT8_NOT_MEASURED),
)
"""Tags that a row has, beside which form was the fastest."""
CURVE_METRICS = (names.TRAIN_ACCURACY, names.TRAIN_LOSS, names.VAL_ACCURACY, names.VAL_LOSS)


@dataclass(frozen=True, slots=True)
class RecordedSweep:
    """A sweep's run and those of its jobs, the oldest first; a configuration that was tried again has several."""

    run: MlflowRun
    jobs: Sequence[MlflowRun]

    @property
    def id(self) -> str:
        """The run id of the sweep."""
        return str(self.run.info.run_id)

    @property
    def finished(self) -> list[MlflowRun]:
        """The jobs that finished, each configuration once."""
        done = {run.data.tags[names.CONFIG_HASH]: run for run in self.jobs if run.info.status == "FINISHED"}
        return list(done.values())


def recorded_sweep(store: Store, sweep_id: str) -> RecordedSweep:
    """As the store has it now."""
    return RecordedSweep(store.client.get_run(sweep_id), store.children(sweep_id)[::-1])


def read_results(store: Store, sweep: RecordedSweep, bars: Bars = Bars.INTERVAL) -> Results:
    """What finished of the sweep; `bars` is how its spread is shown.

    Raises:
        StoreError: if nothing did.
    """
    name, finished = sweep.run.info.run_name, sweep.finished
    if not finished:
        raise StoreError(f"sweep {name} ({sweep.id}) has no finished job: there is nothing to report")
    rows = pd.DataFrame([_row(run) for run in finished])
    baselines = dict.fromkeys(run.data.tags[names.BASELINE_RUN] for run in finished)
    curves = {run_id: {metric: store.history(run_id, metric) for metric in CURVE_METRICS} for run_id in baselines}
    verdicts = tuple(json.loads(sweep.run.data.tags.get(names.VERDICTS, "[]")))
    plan = _plan(store, sweep)
    guided = bool(verdicts) or plan.get("guided", False)
    return Results(name, rows, curves, verdicts, bars, 0 if guided else len(plan.get("jobs", [])))


def read_pictures(store: Store, results: Results) -> list[Picture]:
    """What of one layer is left under each method, at the percentage nearest a half that most of them have.

    The pruned networks are artifacts of the jobs; there is no picture of those that kept none, or one that cannot be
    read.
    """
    rows = results.labelled
    counts = rows[rows[names.PERCENTAGE] > 0].groupby(names.PERCENTAGE)["series"].nunique()
    if counts.empty:
        return []
    percentage = min(counts[counts == counts.max()].index, key=lambda value: abs(float(value) - HALF))
    shown = rows[rows[names.PERCENTAGE] == percentage].groupby("series", sort=False).first()
    pictures = []
    for series, row in shown.head(PICTURES).iterrows():
        try:
            network = unpack(store.read(row["run_id"], names.NETWORK_FILE))
            kept = unpack_kept(store.read(row["run_id"], names.KEPT_FILE))
        except StoreError:
            continue
        alike = [results.layers[str(name)] for name in shown.index[shown["model"] == row["model"]]]
        pruned = set.intersection(*map(set, alike))
        pictures.append(picture(str(series), float(percentage), network, kept, pruned))
    return [each for each in pictures if each is not None]


def read_provenance(store: Store, sweep: RecordedSweep) -> Provenance:
    """What was run; what is missing from the store, or cannot be read there, is left empty."""
    jobs = sweep.finished
    first = jobs[0].info.run_id if jobs else sweep.id
    environment = json.loads(_text(store, first, names.ENVIRONMENT_FILE) or "{}")
    planned = _plan(store, sweep).get("jobs")
    each = (
        [job["overrides"] for job in planned]
        if planned
        else [job.data.tags.get(names.OVERRIDES, "").split() for job in jobs]
    )
    inputs = [entry.dataset for job in jobs if job.inputs for entry in job.inputs.dataset_inputs]
    return Provenance(
        sweep_id=sweep.id,
        started=f"{datetime.fromtimestamp(sweep.run.info.start_time / 1000).astimezone():%Y-%m-%d %H:%M:%S %Z}",
        overrides=merged(each),
        config=_text(store, first, names.CONFIG_FILE),
        commits=tuple(dict.fromkeys(_commit(run) for run in jobs or [sweep.run])),
        versions=environment.get("versions", {}),
        machine=environment.get("machine", {}),
        data=tuple(dict.fromkeys(DataSource(data.name, data.digest, data.source) for data in inputs)),
    )


def _plan(store: Store, sweep: RecordedSweep) -> dict[str, Any]:
    """What was planned; empty where that is missing or damaged."""
    try:
        return dict(json.loads(_text(store, sweep.id, names.PLAN_FILE) or "{}"))
    except ValueError:
        return {}


def _text(store: Store, run_id: str, path: str) -> str:
    try:
        return store.read(run_id, path).decode()
    except StoreError:
        return ""


def _commit(run: MlflowRun) -> str:
    commit = run.data.tags.get(names.GIT_COMMIT, "unknown")
    return commit + (", with changes not committed" if run.data.tags.get(names.GIT_DIRTY) == "True" else "")


def _row(run: MlflowRun) -> dict[str, object]:
    parameters = {key: value for key, value in run.data.params.items() if key != names.PERCENTAGE}
    spoken = {key: value for key, value in run.data.tags.items() if key.startswith(names.FASTEST) or key in SPOKEN}
    return {"run_id": run.info.run_id, **parameters, **spoken, **run.data.metrics}
