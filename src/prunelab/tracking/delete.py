"""Deleting runs for good: their artifacts, and in a local store their rows in the database.

MLflow's own `runs delete` marks a sweep and leaves its jobs, `gc` then removes the marked run alone. Here a run goes in
three steps (marked, files, rows), the parts of a sweep before the sweep itself, so that an interrupted deletion can be
finished by the same command.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _get_store

from prunelab import names
from prunelab.errors import StoreError
from prunelab.tracking import views
from prunelab.tracking.inventory import Inventory, still_running
from prunelab.tracking.run import Run


def doomed(held: Inventory, wanted: Iterable[str]) -> list[Run]:
    """The runs of these sweeps, and the baselines that nobody else needs, in the order in which they are deleted.

    Raises:
        StoreError: if there is no such sweep, or one is still running.
    """
    sweeps = {each.run.id: each for each in map(held.find_sweep, wanted)}
    for each in sweeps.values():
        busy = next((run for run in each.all if run.is_at_work), None)
        if busy is not None:
            raise still_running(f"sweep {each.run.name}", busy)
    going = [run for each in sweeps.values() for run in each.all]
    return [*held.unneeded_baselines(going), *going]


def leftovers(held: Inventory) -> list[Run]:
    """Runs marked as deleted, jobs and curves whose sweep is gone, their baselines, and what a killed import left."""
    going = [run for run in (*held.orphans, *held.broken_imports) if not run.is_at_work]
    return [*held.unneeded_baselines(going), *going, *held.deleted]


def delete(held: Inventory, runs: Sequence[Run], folders: Iterable[Path] = ()) -> None:
    """Delete these runs, and folders that no run owns; a server's rows cannot be deleted by a client, they stay marked.

    The UI's views of a sweep among them then show the newest that is left.

    Raises:
        StoreError: if one cannot be deleted.
    """
    database: Any = None if held.database is None else _get_store(held.tracking.uri)  # type: ignore[no-untyped-call]
    for run in runs:
        models = held.artifacts.models.get(run.id, {})
        try:
            if not run.deleted:
                held.client.delete_run(run.id)
            held.artifacts.delete(run)
            for model in models:
                held.client.delete_logged_model(model)
                if database is not None:
                    database._hard_delete_logged_model(model)
            if database is not None:
                database._hard_delete_run(run.id)
        except MlflowException as error:
            raise StoreError(f"run {run.id} ({run.name}) cannot be deleted: {error}") from error
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(f"{folder} cannot be deleted: {error}") from error
    _repoint(held, {run.id for run in runs})


def _repoint(held: Inventory, gone: set[str]) -> None:
    for experiment in held.experiments:
        experiment_id = experiment.experiment_id
        shown = [view for view in views.OF_SWEEP if any(run_id in experiment.tags.get(view, "") for run_id in gone)]
        left = [each.run for each in held.sweeps if each.run.experiment_id == experiment_id and each.run.id not in gone]
        newest = next((sweep for sweep in left if sweep.metrics.get(names.JOBS_FINISHED)), None)
        for view in shown:
            if newest is None:
                held.client.delete_experiment_tag(experiment_id, view)
            else:
                held.client.set_experiment_tag(experiment_id, view, views.tags(newest)[view])


def shrink(database: Path) -> None:
    """Give the room of deleted rows back to the file system; a database that others use stays as it is."""
    with closing(sqlite3.connect(database, timeout=1.0)) as connection, suppress(sqlite3.OperationalError):
        connection.execute("vacuum")
