"""Opening a store: to write, where what is missing is created; or to read, where nothing is created or changed."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from contextlib import closing
from functools import cache, partial
from pathlib import Path

import mlflow
import requests
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from filelock import FileLock
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient

from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.tracking.addresses import location, redacted, refuse_path, sqlite_file
from prunelab.tracking.moving import EXPERIMENT_KIND, mend
from prunelab.tracking.outage import Unreachable, again, keep_reserve, patient_client
from prunelab.tracking.store import Store

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
"""Seconds within which a server must answer when it is first asked."""


@cache
def open_store(tracking: Tracking, experiment_name: str, waiting: bool = False) -> Store:
    """The store, ready to be written: the SQLite schema and the experiment are created under a lock where missing.

    `waiting`: a server that does not answer is waited for, as by a job of a sweep that began long ago.

    Raises:
        StoreError: if it cannot be written or reached.
    """
    refuse_path(experiment_name)
    if waiting:
        again(partial(_connect, tracking.uri), tracking.uri)
    else:
        _connect(tracking.uri)
    database, artifacts, locks = sqlite_file(tracking.uri), tracking.artifacts, tracking.locks
    try:
        if database is not None:
            _refuse_unwritable(database.parent)
        if database is not None and artifacts is not None:
            mend(database, artifacts, writing=True)
        for folder in filter(None, (artifacts, locks)):
            _refuse_unwritable(folder)
        keep_reserve(tracking)
        with FileLock(locks / "store.lock"):
            return _store(tracking, experiment_name)
    except OSError as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be written: {error}") from error
    except MlflowException as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be opened: {error}") from error


def existing_store(tracking: Tracking, experiment_name: str | None) -> Store:
    """An experiment of a store that is there, or with None all of them, for commands that read: nothing is created.

    Raises:
        StoreError: if there is no such store, another version of MLflow wrote it, or it has no such experiment.
    """
    if experiment_name is not None:
        refuse_path(experiment_name)
    known = {each.experiment_id: each.name for each in existing_experiments(tracking)}
    wanted = {key: name for key, name in known.items() if experiment_name in (None, name)}
    if not known and experiment_name is None:
        raise StoreError(f"nothing is recorded in {redacted(tracking.uri)}: it has no experiment")
    if not wanted:
        raise StoreError(
            f"there is no experiment {experiment_name} in {redacted(tracking.uri)}; it has: "
            f"{', '.join(sorted(known.values())) or 'none'} (choose one with data= or tracking.experiment_name=)"
        )
    log.debug(f"store {redacted(tracking.uri)}, experiments {', '.join(wanted.values())}")
    return Store(tracking, patient_client(tracking.uri), wanted)


def existing_experiments(tracking: Tracking) -> list[Experiment]:
    """All experiments of a store that is there, but MLflow's own; a store that was moved gets its new addresses.

    Raises:
        StoreError: if there is no such store, or another version of MLflow wrote it.
    """
    database = sqlite_file(tracking.uri)
    if database is not None:
        _refuse_foreign(database)
        if tracking.artifacts is not None:
            mend(database, tracking.artifacts, writing=False)
    _connect(tracking.uri)
    try:
        found = MlflowClient(tracking.uri).search_experiments()
    except MlflowException as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be opened: {error}") from error
    return [experiment for experiment in found if experiment.name != "Default"]


def _store(tracking: Tracking, experiment_name: str) -> Store:
    """The experiment, created where it is missing; that also creates MLflow's tables."""
    client, artifacts = patient_client(tracking.uri), tracking.artifacts
    known = client.get_experiment_by_name(experiment_name)
    if known is not None:
        return Store(tracking, client, {known.experiment_id: experiment_name})
    try:
        made = client.create_experiment(
            experiment_name,
            artifact_location=None if artifacts is None else location(artifacts, experiment_name),
            tags={EXPERIMENT_KIND: "custom_model_development"},
        )
    except RestException:  # another machine was first, or the answer to a first try was lost
        known = client.get_experiment_by_name(experiment_name)
        if known is None:
            raise
        made = known.experiment_id
    return Store(tracking, client, {made: experiment_name})


def _connect(uri: str) -> None:
    """Have MLflow use this store from here on.

    Raises:
        Unreachable: if it is a server that does not answer: it is asked once, before MLflow's own retries begin.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # prunelab.tracking.outage does the rest
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.set_tracking_uri(uri)
    if sqlite_file(uri) is not None:
        return
    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=CONNECT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        raise Unreachable(
            f"tracking.uri={redacted(uri)}: no MLflow server answers there ({redacted(str(error))}); start one "
            "(make server), or use the local store (tracking=local)"
        ) from None


def _refuse_unwritable(folder: Path) -> None:
    """Make the folder and write to it.

    Raises:
        OSError: if that is not possible.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _refuse_foreign(database: Path) -> None:
    """Refuse a file that is missing, is not an MLflow store, or is of another version, without touching it.

    MLflow itself would create what is missing, and add missing tables to a store that an older version left.

    Raises:
        StoreError: saying which, and what to do.
    """
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
        remedy = "it was written by a newer MLflow, or is damaged: install the version that wrote it"
    raise StoreError(
        f"{database} was written by another version of MLflow (schema {found}; MLflow {mlflow.__version__} has "
        f"{expected}): {remedy}"
    )
