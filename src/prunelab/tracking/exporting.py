"""A recorded sweep written into an archive: its runs with everything the store has of them, and their baselines."""

from __future__ import annotations

import hashlib
import math
import sqlite3
import zipfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import ValidationError

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.refusals import refusals
from prunelab.tracking.addresses import sqlite_file
from prunelab.tracking.archive import MANIFEST, File, Input, Manifest, Run
from prunelab.tracking.artifacts import MODELS, Artifacts
from prunelab.tracking.inventory import Entry, Inventory

LEFT_OUT = (names.CREATION, names.IMPORT, "mlflow.runName")
"""Tags that belong to the store and not to the run."""
MODEL_TAGS = "mlflow.log-model."


def export(client: MlflowClient, uri: str, artifacts: Artifacts, held: Inventory, wanted: str, target: Path) -> str:
    """Write the sweep `wanted` to the new file `target`; what was written, in words.

    Raises:
        StoreError: if there is no such sweep, it is still running, something of it is missing or damaged, or the file
            cannot be written. The file is then not there.
    """
    if target.exists() or target.is_symlink():
        raise StoreError(f"export to {target} is refused: it is there already")
    each = held.find_sweep(wanted)
    entries = [*_baselines(held, each.jobs), *each.all]
    for entry in entries:
        if entry.status not in ("FINISHED", "FAILED", "KILLED"):
            state = "is still running" if entry.is_at_work else "was left open by a process that is gone"
            raise StoreError(
                f"sweep {each.sweep.name} is refused: its {entry.kind} {entry.name} {state} (prunelab-store check)"
            )
        if artifacts.is_outside(entry.address):
            raise StoreError(
                f"{entry.kind} {entry.name} has its artifacts at {entry.address}: name that root with "
                "tracking.artifacts="
            )
    partial = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    try:
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED) as file:
            runs = [_written(client, uri, artifacts, entry, file) for entry in entries]
            manifest = Manifest(experiment=each.sweep.experiment, runs=runs)
            file.writestr(MANIFEST, manifest.model_dump_json())
        partial.rename(target)
    except ValidationError as error:
        raise StoreError(f"sweep {each.sweep.name}: {refusals(error, Manifest)}") from None
    except (OSError, MlflowException, sqlite3.Error) as error:
        raise StoreError(f"export to {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    models = sum(len(artifacts.models.get(entry.id, {})) for entry in entries)
    without = f"; without {models} MLflow models (measure.log_model)" if models else ""
    return f"{target}: {len(each.jobs)} jobs, {len(runs)} runs in all, {target.stat().st_size:,} bytes{without}"


def _baselines(held: Inventory, jobs: Iterable[Entry]) -> list[Entry]:
    """Those that the jobs started from.

    Raises:
        StoreError: if one is not in the store.
    """
    wanted = dict.fromkeys(job.baseline for job in jobs if job.baseline is not None)
    known = {entry.id: entry for entry in held.baselines}
    missing = next((run_id for run_id in wanted if run_id not in known), None)
    if missing is not None:
        raise StoreError(f"the baseline of a job, run {missing}, is not in the store (prunelab-store check)")
    return [known[run_id] for run_id in wanted]


def _written(client: MlflowClient, uri: str, artifacts: Artifacts, entry: Entry, file: zipfile.ZipFile) -> Run:
    """The run for the manifest, its artifacts written into the archive."""
    run: MlflowRun = client.get_run(entry.id)
    files = {}
    paths = [] if entry.kind == Kind.CURVE else [p for p in artifacts.sizes(entry) if not p.startswith(f"{MODELS}/")]
    for path in paths:
        content = artifacts.read(entry, path)
        found = hashlib.sha256(content).hexdigest()
        if found != entry.tags.get(names.DIGESTS.get(path, ""), found):
            raise StoreError(f"{entry.kind} {entry.name} (run {entry.id}): {path} is damaged (prunelab-store check)")
        file.writestr(f"{entry.id}/{path}", content)
        files[path] = File(size=len(content), sha256=found)
    tags = {
        key: value for key, value in run.data.tags.items() if key not in LEFT_OUT and not key.startswith(MODEL_TAGS)
    }
    return Run(
        id=entry.id,
        name=entry.name,
        kind=Kind(entry.kind),
        status=run.info.status,
        started=run.info.start_time,
        ended=run.info.end_time,
        tags=tags,
        params=dict(run.data.params),
        metrics=_history(client, uri, run),
        inputs=_inputs(run),
        files=files,
    )


def _history(client: MlflowClient, uri: str, run: MlflowRun) -> list[tuple[str, float, int, int]]:
    """Every value of every metric; from a file in one query, from a server a request for each metric."""
    database = sqlite_file(uri)
    if database is None:
        return [
            (each.key, each.value, each.timestamp, each.step)
            for metric in run.data.metrics
            for each in client.get_metric_history(run.info.run_id, metric)
        ]
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "select key, value, is_nan, timestamp, step from metrics where run_uuid = ? order by rowid",
            (run.info.run_id,),
        ).fetchall()
    return [(key, math.nan if is_nan else float(value), time, step) for key, value, is_nan, time, step in rows]


def _inputs(run: MlflowRun) -> list[Input]:
    used = run.inputs.dataset_inputs if run.inputs else []
    return [
        Input(
            name=each.dataset.name,
            digest=each.dataset.digest,
            source_type=each.dataset.source_type,
            source=each.dataset.source,
            tags={tag.key: tag.value for tag in each.tags},
        )
        for each in used
    ]
