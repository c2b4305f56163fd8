"""The store for commands that only read: it must be there, as the version of MLflow that is installed writes it.

MLflow itself would create what is missing, and add missing tables to a store that an older version left.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.tracking.addresses import redacted, sqlite_file
from prunelab.tracking.connection import connect
from prunelab.tracking.moved import mend, refuse_path
from prunelab.tracking.store import Store


def existing_store(tracking: Tracking, experiment_name: str) -> Store:
    """The store and the experiment in it, neither created.

    Raises:
        StoreError: if there is no such store, another version of MLflow wrote it, or it has no such experiment.
    """
    refuse_path(experiment_name)
    known = [experiment.name for experiment in existing_experiments(tracking)]
    if experiment_name not in known:
        raise StoreError(
            f"there is no experiment {experiment_name} in {redacted(tracking.uri)}; it has: "
            f"{', '.join(sorted(known)) or 'none'} (data= or tracking.experiment_name= says which)"
        )
    return Store(tracking, experiment_name)


def existing_experiments(tracking: Tracking) -> list[Experiment]:
    """All experiments of the store but MLflow's own; those of a store that was moved get their new artifact addresses.

    Raises:
        StoreError: if there is no such store, or another version of MLflow wrote it.
    """
    database = sqlite_file(tracking.uri)
    if database is not None:
        _check(database)
        if tracking.artifacts is not None:
            mend(database, tracking.artifacts, writing=False)
    connect(tracking.uri)
    try:
        found = MlflowClient(tracking.uri).search_experiments()
    except MlflowException as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be opened: {error}") from error
    return [experiment for experiment in found if experiment.name != "Default"]


def _check(database: Path) -> None:
    """Refuse a file that is missing, no MLflow store, or of another version, without touching it."""
    if not database.is_file():
        raise StoreError(
            f"there is no store at {database}: run this in the folder where prunelab ran, or say where the store is "
            "with tracking.uri=sqlite:////absolute/path.db"
        )
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("select version_num from alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise StoreError(f"{database} is not an MLflow store ({error})") from error
    migrations = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    expected = migrations.get_current_head()
    if found == expected:
        return
    try:
        migrations.get_revision(found)
        remedy = f"back the file up, then run: mlflow db upgrade sqlite:///{database}"
    except CommandError:
        remedy = "it is of a newer MLflow, or damaged: install the MLflow that wrote it"
    raise StoreError(
        f"{database} was written by another version of MLflow (schema {found}; MLflow {mlflow.__version__} has "
        f"{expected}): {remedy}"
    )
