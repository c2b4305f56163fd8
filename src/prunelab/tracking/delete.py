"""Deleting runs for good: their artifacts, and where the database is at hand their rows.

MLflow's own `runs delete` marks a sweep and leaves its jobs, `gc` then removes the marked run alone. Here a run goes in
three steps (marked, files, rows), the parts of a sweep before the sweep itself, so that what is interrupted can be done
again by the same command.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store

from prunelab import names
from prunelab.errors import StoreError
from prunelab.tracking import views
from prunelab.tracking.addresses import sqlite_file
from prunelab.tracking.artifacts import Artifacts
from prunelab.tracking.inventory import Entry, Inventory


def doomed(held: Inventory, wanted: Iterable[str]) -> list[Entry]:
    """The runs of these sweeps, and the baselines that nobody else needs, in the order in which they are deleted.

    Raises:
        StoreError: if there is no such sweep, or one is still running.
    """
    sweeps = {each.sweep.id: each for each in map(held.find_sweep, wanted)}
    for each in sweeps.values():
        busy = next((entry for entry in each.all if entry.is_at_work), None)
        if busy is not None:
            raise StoreError(
                f"sweep {each.sweep.name} is refused: its {busy.kind} {busy.name} is still running (process "
                f"{busy.tags.get('process.pid')} on {busy.tags.get('process.host')})"
            )
    going = [entry for each in sweeps.values() for entry in each.all]
    return [*held.unneeded_baselines(going), *going]


def leftovers(held: Inventory) -> list[Entry]:
    """Runs marked as deleted, jobs and curves whose sweep is gone, their baselines, and what a killed import left."""
    unfinished = [entry for entry in held.active if entry.kind == names.IMPORTING]
    going = [entry for entry in (*held.orphans, *unfinished) if not entry.is_at_work]
    return [*held.unneeded_baselines(going), *going, *held.deleted]


def delete(client: MlflowClient, uri: str, artifacts: Artifacts, entries: Iterable[Entry]) -> None:
    """Delete these runs; from a server's database the rows themselves cannot be deleted, they stay marked.

    Raises:
        StoreError: if one cannot be deleted.
    """
    database: Any = None if sqlite_file(uri) is None else _get_store(uri)  # type: ignore[no-untyped-call]
    for entry in entries:
        models = artifacts.models.get(entry.id, {})
        try:
            if not entry.deleted:
                client.delete_run(entry.id)
            artifacts.delete(entry)
            for model in models:
                client.delete_logged_model(model)
                if database is not None:
                    database._hard_delete_logged_model(model)
            if database is not None:
                database._hard_delete_run(entry.id)
        except MlflowException as error:
            raise StoreError(f"run {entry.id} ({entry.name}) cannot be deleted: {error}") from error


def repoint(client: MlflowClient, experiments: Sequence[Experiment], gone: Iterable[Entry], held: Inventory) -> None:
    """Have the UI's comparison show the newest sweep that is left, where the one it showed is among `gone`."""
    ids = {entry.id for entry in gone}
    view = views.PREFIX + views.COMPARISON
    for experiment in experiments:
        shown = experiment.tags.get(view, "")
        if not any(run_id in shown for run_id in ids):
            continue
        left = [each.sweep for each in held.sweeps if each.sweep.experiment == experiment.name]
        newest = next((sweep for sweep in left if sweep.id not in ids and sweep.metrics.get(names.JOBS_FINISHED)), None)
        if newest is None:
            client.delete_experiment_tag(experiment.experiment_id, view)
            continue
        published = views.PublishedSweep(newest.id, newest.name, newest.started)
        tags = views.tags(published, experiment.experiment_id)
        client.set_experiment_tag(experiment.experiment_id, view, tags[view])


def delete_folders(folders: Iterable[Path]) -> None:
    """Delete folders that no run owns.

    Raises:
        StoreError: if one cannot be deleted.
    """
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(f"{folder} cannot be deleted: {error}") from error


def shrink(database: Path) -> None:
    """Give the room of deleted rows back to the file system; a database that others use stays as it is."""
    with closing(sqlite3.connect(database, timeout=1.0)) as connection:
        try:
            connection.execute("vacuum")
        except sqlite3.OperationalError:
            return
