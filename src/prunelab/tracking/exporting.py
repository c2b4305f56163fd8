"""A recorded sweep written into an archive: its runs with everything the store has of them, and their baselines."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.refusals import refusals
from prunelab.tracking.archive import MANIFEST, ArchivedRun, File, Manifest, member_of
from prunelab.tracking.artifacts import MODELS
from prunelab.tracking.inventory import Inventory
from prunelab.tracking.run import Run

LEFT_OUT = (names.CREATION, names.IMPORT, "mlflow.runName")
"""Tags that belong to the store and not to the run."""
MODEL_TAGS = "mlflow.log-model."


def export(held: Inventory, wanted: str, target: Path) -> str:
    """Write the sweep `wanted` to the new file `target`; returns a message of what was written.

    Raises:
        StoreError: if there is no such sweep, it is still running, something of it is missing or damaged, or the file
            cannot be written. The file is then not there.
    """
    if target.exists() or target.is_symlink():
        raise StoreError(f"export to {target} is refused: it is there already")
    sweep = held.find_sweep(wanted)
    runs = [*_baselines(held, sweep.jobs), *sweep.all]
    for run in runs:
        if run.status not in ("FINISHED", "FAILED", "KILLED"):
            state = "is still running" if run.is_at_work else "was left open by a process that is gone"
            raise StoreError(
                f"sweep {sweep.run.name} is refused: its {run.kind} {run.name} {state} (prunelab-store check)"
            )
        if held.artifacts.is_outside(run.address):
            raise StoreError(
                f"{run.kind} {run.name} has its artifacts at {run.address}: name that root with tracking.artifacts="
            )
    partial = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    try:
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED) as file:
            archived = [_written(held, run, file) for run in runs]
            manifest = Manifest(experiment=held.titles[sweep.run.experiment_id], runs=archived)
            file.writestr(MANIFEST, manifest.model_dump_json())
        partial.rename(target)
    except ValidationError as error:
        raise StoreError(f"sweep {sweep.run.name}: {refusals(error, Manifest)}") from None
    except (OSError, MlflowException) as error:
        raise StoreError(f"export to {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    models = sum(len(held.artifacts.models.get(run.id, {})) for run in runs)
    without = f"; without {models} MLflow models (measure.log_model)" if models else ""
    return f"{target}: {len(sweep.jobs)} jobs, {len(runs)} runs in all, {target.stat().st_size:,} bytes{without}"


def _baselines(held: Inventory, jobs: Iterable[Run]) -> list[Run]:
    """The baselines that the jobs started from.

    Raises:
        StoreError: if one is not in the store.
    """
    known = {run.id: run for run in held.baselines}
    wanted = dict.fromkeys(job.baseline for job in jobs if job.baseline is not None)
    for run_id in wanted:
        if run_id not in known:
            raise StoreError(f"the baseline of a job, run {run_id}, is not in the store (prunelab-store check)")
    return [known[run_id] for run_id in wanted]


def _written(held: Inventory, run: Run, file: zipfile.ZipFile) -> ArchivedRun:
    """The run for the manifest, its artifacts written into the archive."""
    files = {}
    for path in [] if run.kind == Kind.CURVE else held.artifacts.sizes(run):
        if path.startswith(f"{MODELS}/"):
            continue
        content = held.artifacts.read(run, path)
        found = hashlib.sha256(content).hexdigest()
        if found != run.tags.get(names.DIGESTS.get(path, ""), found):
            raise StoreError(f"{run}: {path} is damaged (prunelab-store check)")
        file.writestr(member_of(run.id, path), content)
        files[path] = File(size=len(content), sha256=found)
    return ArchivedRun(
        id=run.id,
        name=run.name,
        kind=Kind(run.kind),
        status=run.status,  # type: ignore[arg-type]
        started=run.started,
        ended=run.ended,
        tags={key: value for key, value in run.tags.items() if key not in LEFT_OUT and not key.startswith(MODEL_TAGS)},
        params=run.params,
        metrics=[
            (each.key, each.value, each.timestamp, each.step)
            for metric in run.metrics
            for each in held.client.get_metric_history(run.id, metric)
        ],
        inputs=list(run.data_sets),
        files=files,
    )
