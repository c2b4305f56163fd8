"""A recorded sweep read back from the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

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
NEEDED_METRICS = (
    *(names.PERCENTAGE, names.TEST_ACCURACY, names.TEST_LOSS, names.VAL_ACCURACY, names.VAL_LOSS),
    *(names.BASELINE_ACCURACY, names.BASELINE_LOSS, names.BASELINE_VAL_ACCURACY),
    *(names.COMPRESSION_RATIO, names.THEORETICAL_SPEEDUP, names.PARAMETERS_TOTAL, names.PARAMETERS_REMAINING),
)
NEEDED_PARAMETERS = ("method", "granularity", "recovery", "seed", "data", "model")
LISTS = (names.LAYERS, names.ALL_LAYERS)
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
        done = {
            run.data.tags.get(names.CONFIG_HASH, run.info.run_id): run
            for run in self.jobs
            if run.info.status == "FINISHED"
        }
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
    for run in finished:
        _refuse_incomplete(run)
    rows = pd.DataFrame([_row(run) for run in finished])
    baselines = dict.fromkeys(run.data.tags[names.BASELINE_RUN] for run in finished)
    curves = {run_id: _curves(store, run_id) for run_id in baselines}
    verdicts = tuple(_texts(sweep.run.data.tags.get(names.VERDICTS, "[]")) or ())
    plan = _section(_text(store, sweep.id, names.PLAN_FILE))
    guided = bool(verdicts) or "conditions" in plan
    return Results(name, rows, curves, verdicts, bars, 0 if guided else len(_planned(plan)))


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
    environment = _section(_text(store, first, names.ENVIRONMENT_FILE))
    each = _planned(_section(_text(store, sweep.id, names.PLAN_FILE)))
    if not each:
        each = [job.data.tags.get(names.OVERRIDES, "").split() for job in jobs]
    inputs = [entry.dataset for job in jobs if job.inputs for entry in job.inputs.dataset_inputs]
    return Provenance(
        sweep_id=sweep.id,
        started=f"{datetime.fromtimestamp(sweep.run.info.start_time / 1000).astimezone():%Y-%m-%d %H:%M:%S %Z}",
        overrides=merged(each),
        config=_text(store, first, names.CONFIG_FILE),
        commits=tuple(dict.fromkeys(_commit(run) for run in jobs or [sweep.run])),
        versions=_leaves(environment.get("versions")),
        machine=_leaves(environment.get("machine")),
        data=tuple(dict.fromkeys(DataSource(data.name, data.digest, data.source) for data in inputs)),
    )


def _text(store: Store, run_id: str, path: str) -> str:
    try:
        return store.read(run_id, path).decode()
    except (StoreError, UnicodeDecodeError):
        return ""


def _json(text: str) -> Any:
    """What a text that may have been tampered with holds; None if that is nothing."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(text: str) -> list[str] | None:
    """A JSON list of texts; None if it is none."""
    found = _json(text)
    return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else None


def _section(text: str) -> dict[str, Any]:
    found = _json(text)
    return found if isinstance(found, dict) else {}


def _leaves(section: object) -> dict[str, Any]:
    found = section if isinstance(section, dict) else {}
    return {str(key): value for key, value in found.items() if isinstance(value, str | int | float)}


def _planned(plan: Mapping[str, Any]) -> list[list[str]]:
    """The overrides of each planned job; none if the plan is not what a sweep records."""
    jobs = plan.get("jobs")
    each: list[Any] = [job.get("overrides") for job in jobs if isinstance(job, dict)] if isinstance(jobs, list) else []
    return each if all(isinstance(o, list) and all(isinstance(text, str) for text in o) for o in each) else []


def _curves(store: Store, run_id: str) -> dict[str, dict[int, float]]:
    try:
        return {metric: store.history(run_id, metric) for metric in CURVE_METRICS}
    except MlflowException:
        return {metric: {} for metric in CURVE_METRICS}


def _refuse_incomplete(run: MlflowRun) -> None:
    """Refuse a job that is FINISHED without what every finished job records, or with an accuracy that is none.

    Raises:
        StoreError: naming it.
    """
    data = run.data
    parts: tuple[tuple[Sequence[str], Mapping[str, object]], ...]
    parts = ((NEEDED_METRICS, data.metrics), (NEEDED_PARAMETERS, data.params), ((names.BASELINE_RUN,), data.tags))
    missing = [name for needed, there in parts for name in needed if name not in there]
    if missing:
        words = f"job {run.info.run_name} (run {run.info.run_id}) is FINISHED without {', '.join(missing)}"
        raise StoreError(f"{words}: somebody changed the store")
    for name in (names.TEST_ACCURACY, names.VAL_ACCURACY, names.BASELINE_ACCURACY, names.BASELINE_VAL_ACCURACY):
        if not 0 <= data.metrics[name] <= 1:
            words = f"job {run.info.run_name} (run {run.info.run_id}) has {name}={data.metrics[name]:g}"
            raise StoreError(f"{words}, which is no share: somebody changed the store")


def _commit(run: MlflowRun) -> str:
    commit = run.data.tags.get(names.GIT_COMMIT, "unknown")
    return commit + (", with changes not committed" if run.data.tags.get(names.GIT_DIRTY) == "True" else "")


def _row(run: MlflowRun) -> dict[str, object]:
    parameters = {key: value for key, value in run.data.params.items() if key != names.PERCENTAGE}
    spoken = {key: value for key, value in run.data.tags.items() if key.startswith(names.FASTEST) or key in SPOKEN}
    spoken = {key: value for key, value in spoken.items() if key not in LISTS or _texts(value) is not None}
    return {"run_id": run.info.run_id, **parameters, **spoken, **run.data.metrics}
