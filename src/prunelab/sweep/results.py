"""A recorded sweep read back for a report: its results, its networks, and what was run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from prunelab import names
from prunelab.errors import StoreError
from prunelab.network.packed import unpack, unpack_kept
from prunelab.report.bars import Bars
from prunelab.report.pictures import Picture, picture
from prunelab.report.provenance import DataSource, Provenance, merged
from prunelab.report.results import Results
from prunelab.tracking.run import Run, SweepRuns
from prunelab.tracking.store import Store

HALF = 50.0
"""Percent."""
PICTURES = 8
"""Methods of which there are pictures, at most."""
ROW_TAGS = (
    *(names.LAYERS, names.ALL_LAYERS, names.OVERRIDES, names.CONFIG_HASH, names.RECOVERY_TRAINS),
    *(names.SPEED_NOT_MEASURED, names.SPEED_UNSTEADY),
    *(names.SPEED_RUNTIME, names.INT8_INSTRUCTIONS, names.INT8_NOT_MEASURED),
)
"""Tags that a row has, beside which form was the fastest."""
ACCURACIES = (names.TEST_ACCURACY, names.VAL_ACCURACY, names.BASELINE_ACCURACY, names.BASELINE_VAL_ACCURACY)
NEEDED_METRICS = (
    *(*ACCURACIES, names.PERCENTAGE, names.TEST_LOSS, names.VAL_LOSS, names.BASELINE_LOSS),
    *(names.COMPRESSION_RATIO, names.THEORETICAL_SPEEDUP, names.PARAMETERS_TOTAL, names.PARAMETERS_REMAINING),
)
NEEDED_PARAMETERS = ("method", "granularity", "recovery", "seed", "data", "model")
LISTS = (names.LAYERS, names.ALL_LAYERS)


def read_results(store: Store, sweep: SweepRuns, bars: Bars = Bars.INTERVAL) -> Results:
    """The finished jobs of the sweep as rows; `bars` is how the spread over seeds is shown.

    Raises:
        StoreError: if none finished, or one lacks what every finished job records.
    """
    finished = sweep.finished
    if not finished:
        raise StoreError(f"{sweep.run} has no finished job: there is nothing to report")
    for job in finished:
        _refuse_incomplete(job)
    rows = pd.DataFrame([_row(job) for job in finished])
    curves = {run_id: _curves(store, run_id) for run_id in dict.fromkeys(str(job.baseline) for job in finished)}
    verdicts = tuple(_texts(sweep.run.tags.get(names.VERDICTS, "[]")) or ())
    plan = _plan(store, sweep)
    guided = bool(verdicts) or "conditions" in plan
    conditions = plan.get("conditions")
    searched = isinstance(conditions, dict) and bool(conditions.get("search"))
    return Results(sweep.run.name, rows, curves, verdicts, bars, 0 if guided else len(_planned(plan)), searched)


def read_pictures(store: Store, results: Results) -> list[Picture]:
    """What is left of one layer under each method, at the percentage nearest a half that most of them have.

    The pruned networks are artifacts of the jobs; jobs that kept none, or one that cannot be read, are left out.
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


def read_provenance(store: Store, sweep: SweepRuns) -> Provenance:
    """What was run; what is missing from the store, or cannot be read there, is left empty."""
    jobs = sweep.finished
    first = jobs[0].id if jobs else sweep.run.id
    environment = _section(_text(store, first, names.ENVIRONMENT_FILE))
    each = _planned(_plan(store, sweep)) or [job.tags.get(names.OVERRIDES, "").split() for job in jobs]
    data = [used for job in jobs for used in job.data_sets]
    return Provenance(
        sweep_id=sweep.run.id,
        started=f"{datetime.fromtimestamp(sweep.run.started / 1000).astimezone():%Y-%m-%d %H:%M:%S %Z}",
        overrides=merged(each),
        config=_text(store, first, names.CONFIG_FILE),
        commits=tuple(dict.fromkeys(_commit(run) for run in jobs or [sweep.run])),
        versions=_leaves(environment.get("versions")),
        machine=_leaves(environment.get("machine")),
        data=tuple(dict.fromkeys(DataSource(used.name, used.digest, used.source) for used in data)),
    )


def _text(store: Store, run_id: str, path: str) -> str:
    try:
        return store.read(run_id, path).decode()
    except (StoreError, UnicodeDecodeError):
        return ""


def _json(text: str) -> Any:
    """The value of a text that may have been tampered with; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(text: str) -> list[str] | None:
    """A JSON list of texts; None if it is not one."""
    found = _json(text)
    return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else None


def _section(text: str) -> dict[str, Any]:
    found = _json(text)
    return found if isinstance(found, dict) else {}


def _leaves(section: object) -> dict[str, Any]:
    found = section if isinstance(section, dict) else {}
    return {str(key): value for key, value in found.items() if isinstance(value, str | int | float)}


def _plan(store: Store, sweep: SweepRuns) -> dict[str, Any]:
    return _section(_text(store, sweep.run.id, names.PLAN_FILE))


def _planned(plan: Mapping[str, Any]) -> list[list[str]]:
    """The overrides of each planned job; none if the plan is not what a sweep records."""
    jobs = plan.get("jobs")
    each: list[Any] = [job.get("overrides") for job in jobs if isinstance(job, dict)] if isinstance(jobs, list) else []
    return each if all(isinstance(o, list) and all(isinstance(text, str) for text in o) for o in each) else []


def _curves(store: Store, run_id: str) -> dict[str, dict[int, float]]:
    try:
        return {metric: store.history(run_id, metric) for metric in names.OF_EPOCHS}
    except StoreError:
        return {metric: {} for metric in names.OF_EPOCHS}


def _refuse_incomplete(job: Run) -> None:
    """Refuse a job that is FINISHED without what every finished job records, or with an accuracy outside [0, 1].

    Raises:
        StoreError: naming it.
    """
    parts: tuple[tuple[Sequence[str], Mapping[str, object]], ...]
    parts = ((NEEDED_METRICS, job.metrics), (NEEDED_PARAMETERS, job.params), ((names.BASELINE_RUN,), job.tags))
    missing = [name for needed, there in parts for name in needed if name not in there]
    if missing:
        raise StoreError(f"{job} is FINISHED without {', '.join(missing)}: the store has been modified")
    for name in ACCURACIES:
        if not 0 <= job.metrics[name] <= 1:
            raise StoreError(f"{job} has {name}={job.metrics[name]:g}, not in [0, 1]: the store has been modified")


def _commit(run: Run) -> str:
    commit = run.tags.get(names.GIT_COMMIT, "unknown")
    return commit + (", with uncommitted changes" if run.tags.get(names.GIT_DIRTY) == "True" else "")


def _row(job: Run) -> dict[str, object]:
    parameters = {key: value for key, value in job.params.items() if key != names.PERCENTAGE}
    tags = {key: value for key, value in job.tags.items() if key.startswith(names.FASTEST) or key in ROW_TAGS}
    tags = {key: value for key, value in tags.items() if key not in LISTS or _texts(value) is not None}
    return {"run_id": job.id, **parameters, **tags, **job.metrics}
