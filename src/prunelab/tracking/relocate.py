"""A local store moved to another folder: copied, compared, and only then the original deleted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.tracking.addresses import sqlite_file
from prunelab.tracking.moved import mend

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
"""As `conf/tracking/local.yaml` names them below paths.store."""


def local_store(tracking: Tracking) -> tuple[Path, Path]:
    """(database, artifact root) of a store of files.

    Raises:
        StoreError: if it is a server's.
    """
    database = sqlite_file(tracking.uri)
    if database is None or tracking.artifacts is None:
        raise StoreError("relocate is for a store of files; a server's database and artifacts are the server's to move")
    return database, tracking.artifacts


def relocate(tracking: Tracking, target: Path, keep: bool) -> None:
    """Move the store's database and artifacts into `target`; with `keep`, the original stays.

    Raises:
        StoreError: if it is not a local store, `target` is not new or empty, or the copy is not like the original.
    """
    database, artifacts = local_store(tracking)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"relocate {target} is refused: there is something; it takes a new or empty folder")
    if target.is_relative_to(artifacts):
        raise StoreError(f"relocate {target} is refused: it is inside of the store's own artifacts")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(target / DATABASE)) as new:
            old.backup(new)
        if artifacts.is_dir():
            shutil.copytree(artifacts, target / ARTIFACTS)
        mend(target / DATABASE, target / ARTIFACTS, writing=False)
        if _sizes(artifacts) != _sizes(target / ARTIFACTS):
            raise StoreError(
                f"relocate {target}: the artifacts changed while they were copied; the original is untouched"
            )
        if not keep:
            database.unlink()
            if artifacts.is_dir():
                shutil.rmtree(artifacts)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"relocate {target}: {error}; remove what was copied there and try again") from error


def _sizes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
