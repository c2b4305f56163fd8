"""A sweep taken from an archive into a store, local or a server's, under new run ids.

Its runs are of the kind `importing` until all of them are complete, so that no command takes them for a sweep. What an
error or an interruption leaves is deleted at once; what a killed process leaves, by the next import.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from prunelab import names
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking import delete as deletion
from prunelab.tracking import views
from prunelab.tracking.addresses import redacted, sqlite_file
from prunelab.tracking.archive import Archive, ArchivedRun, Manifest, opened
from prunelab.tracking.environment import process
from prunelab.tracking.inventory import Inventory
from prunelab.tracking.opening import open_store
from prunelab.tracking.outage import again
from prunelab.tracking.recorder import log_data_sets
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

WITH_IDS = (names.RESULTS_FILE, names.REPORT_FILE)
"""Texts among a sweep's artifacts that name runs by their ids."""
ID = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def import_archive(tracking: Tracking, file: Path) -> str:
    """Take the sweep in `file` into the store; returns a message of what was imported.

    Raises:
        StoreError: if the archive is refused (nothing is written then), its sweep is in the store already, or the store
            cannot be written (nothing of it is left then).
    """
    with opened(file) as archive:
        manifest = archive.manifest
        _refuse_without_room(tracking, manifest)
        store = open_store(tracking, manifest.experiment)
        with store.lock("import"):
            _refuse_twice(store, manifest.sweep)
            _delete(store, lambda run: run.kind == names.IMPORTING and not run.is_at_work)
            new = uuid4().hex
            try:
                ids = _restore(store, archive, new)
            except BaseException as error:
                _delete(store, lambda run: run.tags.get(names.IMPORT) == new)
                if isinstance(error, MlflowException | OSError):
                    raise StoreError(f"import of {file} failed and was undone: {redacted(str(error))}") from error
                raise
    jobs = sum(run.kind is Kind.JOB for run in manifest.runs)
    return (
        f"imported sweep {manifest.sweep.name} as run {ids[manifest.sweep.id]}, {jobs} jobs, into experiment "
        f"{manifest.experiment} of {store.address}"
    )


def _refuse_without_room(tracking: Tracking, manifest: Manifest) -> None:
    """Refuse an archive for which there is no room: artifacts go through a temporary folder to where they stay.

    Raises:
        StoreError: naming the folder, and the bytes that are needed and free.
    """
    largest = max(sum(file.size for file in run.files.values()) for run in manifest.runs)
    places = [(Path(tempfile.gettempdir()), largest)]
    if sqlite_file(tracking.uri) is not None and tracking.artifacts is not None:
        there = next(folder for folder in (tracking.artifacts, *tracking.artifacts.parents) if folder.is_dir())
        places.append((there, manifest.size))
    for folder, size in places:
        free = shutil.disk_usage(folder).free
        if size > free:
            raise StoreError(f"it takes {size:,} bytes, and {folder} has {free:,} free")


def _refuse_twice(store: Store, sweep: ArchivedRun) -> None:
    """Refuse a sweep that was imported into this store, or exported from it."""
    origin = sweep.tags.get(names.IMPORTED_FROM, sweep.id)
    known = store.find(Kind.SWEEP, **{names.IMPORTED_FROM: origin})
    known += [run for run in store.find(Kind.SWEEP, name=sweep.name) if run.id in (origin, sweep.id)]
    if known:
        raise StoreError(
            f"sweep {sweep.name} is in the store already (run {known[0].id}); to take this version of it, delete that "
            "one first (prunelab-store delete)"
        )


def _restore(store: Store, archive: Archive, new: str) -> dict[str, str]:
    """Write all runs, then show them, the sweep's own last; the new run id of each."""
    manifest = archive.manifest
    ids = {run.id: found for run in manifest.runs if (found := _known(store, run)) is not None}
    missing = [run for run in manifest.runs if run.id not in ids]
    hidden = {names.KIND: names.IMPORTING, names.IMPORT: new, **process()}
    for run in missing:
        ids[run.id] = store.client.create_run(store.experiment_id, run.started, hidden, run.name).info.run_id
    for run in missing:
        _fill(store, archive, run, ids)
    for run in missing:
        _show(store, run, ids)
    _compare(store, manifest, ids)
    return ids


def _known(store: Store, run: ArchivedRun) -> str | None:
    """A finished baseline of the store that is the same as this one, to the last bit of its checkpoint."""
    digest = run.tags.get(names.CHECKPOINT_SHA256)
    if run.kind is not Kind.BASELINE or run.status != "FINISHED" or digest is None:
        return None
    alike = {names.BASELINE_KEY: run.tags[names.BASELINE_KEY], names.CHECKPOINT_SHA256: digest}
    found = store.find(Kind.BASELINE, "FINISHED", **alike)
    return found[0].id if found else None


def _fill(store: Store, archive: Archive, run: ArchivedRun, ids: Mapping[str, str]) -> None:
    """Write everything of a run but its tags, and end it."""
    client, run_id = store.client, ids[run.id]
    params = [Param(key, value) for key, value in run.params.items()]
    client.log_batch(run_id, [Metric(*each) for each in run.metrics], params)
    if run.inputs:
        log_data_sets(client, run_id, run.inputs)
    if run.files:
        with tempfile.TemporaryDirectory() as folder:
            for path in run.files:
                target = Path(folder, path)
                archive.copy(run, path, target)
                if run.kind is Kind.SWEEP and path in WITH_IDS:
                    target.write_bytes(_renamed(target.read_bytes(), ids))
            client.log_artifacts(run_id, folder)
    client.set_terminated(run_id, run.status, run.ended)


def _show(store: Store, run: ArchivedRun, ids: Mapping[str, str]) -> None:
    """Write its tags, the kind last: from then on commands see it."""
    origin = run.tags.get(names.IMPORTED_FROM, run.id)
    tags = {key: _renamed(value.encode(), ids).decode() for key, value in run.tags.items() if key != names.KIND}
    tags |= {names.IMPORTED_FROM: origin, names.KIND: run.kind.value}
    store.client.log_batch(ids[run.id], tags=[RunTag(key, value) for key, value in tags.items()])


def _compare(store: Store, manifest: Manifest, ids: Mapping[str, str]) -> None:
    """Have the UI open on the sweep where it shows no other."""
    curves = any(run.kind is Kind.CURVE for run in manifest.runs)
    if curves and views.PREFIX + views.COMPARISON not in store.experiment_tags():
        store.tag_experiment(views.tags(store.get(ids[manifest.sweep.id])))


def _renamed(text: bytes, ids: Mapping[str, str]) -> bytes:
    """A text with the new ids in place of the archived ones."""
    return ID.sub(lambda match: ids.get(match[0].decode(), match[0].decode()).encode(), text)


def _delete(store: Store, wanted: Callable[[Run], bool]) -> None:
    """Delete the runs of the experiment that are `wanted`, with their artifacts."""

    def action() -> None:
        held = Inventory(store.tracking, [store.client.get_experiment(store.experiment_id)])
        deletion.delete(held, [run for run in held.active if wanted(run)])

    again(action, store.tracking.uri)
