"""A local store at another place: moved by `relocate`, or by whatever means, and its artifacts found again.

MLflow records artifact addresses as absolute paths, so a moved project would read from, and write to, the old place.
The configuration says where the artifacts are now: when a store is opened, recorded addresses are compared with it and
rewritten in the database, which MLflow's own UI and commands read too. What decides is which folders exist:

- the experiment's folder is at the configured place: its addresses are rewritten (a run whose own folder is only at
  the recorded place keeps its address);
- it is only at the recorded place: nothing is changed, `tracking.artifacts` was simply set otherwise then;
- it is at neither: opening the store to write is refused, because a disk may be missing.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.tracking.addresses import folder_of, location, sizes_in, sqlite_file

EXPERIMENT_KIND = "mlflow.experimentKind"
"""The tag that prunelab gives its experiments: the UI opens them as model training, and no others are ever moved."""
WAIT_SECONDS = 60.0
"""How long to wait for another process that is writing to the database."""
ADDRESSES = (
    ("runs", "run_uuid", "artifact_uri"),
    ("logged_models", "model_id", "artifact_location"),
    ("model_versions", "rowid", "source"),
    ("model_versions", "rowid", "storage_location"),
)
"""Where artifact addresses are in the database, beside those of the experiments: table, key, column."""
DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
"""As `conf/tracking/local.yaml` names them below paths.store."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the artifacts of an experiment are recorded to be, and where the configuration says they are: two URIs."""

    experiment_id: int
    name: str
    recorded: str
    configured: str
    has_runs: bool

    @property
    def differs(self) -> bool:
        """Whether these are two different folders, both of them in prunelab's layout: a root, then the experiment."""
        suffix = Path("/", self.name).as_uri().removeprefix("file://")
        if self.recorded == self.configured or not self.recorded.endswith(suffix):
            return False
        old, new = folder_of(self.recorded), folder_of(self.configured)
        return old is not None and new is not None and not (old.exists() and new.exists() and old.samefile(new))

    @property
    def is_lost(self) -> bool:
        """Whether runs are recorded and their folder is at neither place."""
        return self.has_runs and not _is_folder(self.recorded) and not _is_folder(self.configured)

    @property
    def is_moved(self) -> bool:
        """Whether the configured folder is there, or there is nothing yet that could be at the recorded one."""
        return _is_folder(self.configured) or not (self.has_runs or _is_folder(self.recorded))


def mend(database: Path, artifacts: Path, writing: bool, lost_too: bool = False) -> list[Place]:
    """Bring the addresses in a store's database up to date; the experiments whose addresses were rewritten.

    With `lost_too` also those of which nothing is at either place.

    Raises:
        StoreError: if the addresses cannot be rewritten; when `writing`, also if artifacts are at neither place.
    """
    if not database.is_file():
        return []
    places = [place for place in _places(database, artifacts) if place.differs]
    lost = [place for place in places if place.is_lost]
    if lost and writing and not lost_too:
        words = "\n".join(f"  {place.name}: {place.recorded}, or {place.configured}" for place in lost)
        raise StoreError(
            f"{database}: the artifacts of these experiments are neither where they are recorded nor where "
            f"tracking.artifacts={artifacts} says:\n{words}\n"
            "Mount the disk, or say where they are with tracking.artifacts=; if they are gone for good: "
            "prunelab-store relocate"
        )
    wanted = [place for place in places if place.is_moved or (lost_too and place.is_lost)]
    if wanted:
        _rewrite(database, wanted)
    for place in wanted:
        log.warning(
            f"{place.name}: the store was moved or copied; its artifacts, recorded at {place.recorded}, are now read "
            f"from and written to {place.configured}"
        )
    return wanted


def local_store(tracking: Tracking) -> tuple[Path, Path]:
    """(database, artifact root) of a local store.

    Raises:
        StoreError: if it is a server's.
    """
    database = sqlite_file(tracking.uri)
    if database is None or tracking.artifacts is None:
        raise StoreError("relocate is for a local store; a server's database and artifacts are the server's to move")
    return database, tracking.artifacts


def relocate(tracking: Tracking, target: Path, keep: bool) -> None:
    """Copy the store's database and artifacts into `target`, compare, and only then delete the original.

    With `keep`, the original stays.

    Raises:
        StoreError: if it is not a local store, `target` is not new or empty, or the copy is not like the original.
    """
    database, artifacts = local_store(tracking)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"relocate {target} is refused: the folder is not empty; it accepts a new or empty folder")
    if target.is_relative_to(artifacts):
        raise StoreError(f"relocate {target} is refused: it is inside of the store's own artifacts")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(target / DATABASE)) as new:
            old.backup(new)
        if artifacts.is_dir():
            shutil.copytree(artifacts, target / ARTIFACTS)
        mend(target / DATABASE, target / ARTIFACTS, writing=False)
        if sizes_in(artifacts) != sizes_in(target / ARTIFACTS):
            raise StoreError(
                f"relocate {target}: the artifacts changed while they were copied; the original is untouched"
            )
        if not keep:
            database.unlink()
            if artifacts.is_dir():
                shutil.rmtree(artifacts)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"relocate {target}: {error}; remove what was copied there and try again") from error


def _places(database: Path, artifacts: Path) -> list[Place]:
    """The places of the experiments that prunelab made; none where MLflow's tables are not there yet."""
    with _connection(database) as connection:
        if not {"experiments", "experiment_tags", "runs"} <= _tables(connection):
            return []
        rows = connection.execute(
            "select e.experiment_id, e.name, e.artifact_location, "
            "exists (select 1 from runs r where r.experiment_id = e.experiment_id) "
            "from experiments e join experiment_tags t on t.experiment_id = e.experiment_id where t.key = ?",
            (EXPERIMENT_KIND,),
        ).fetchall()
    return [
        Place(number, name, recorded.rstrip("/"), location(artifacts, name), bool(runs))
        for number, name, recorded, runs in rows
        if recorded
    ]


def _rewrite(database: Path, places: list[Place]) -> None:
    """Rewrite the addresses in one transaction: another process sees the old ones or the new ones."""
    with _connection(database) as connection:
        tables = _tables(connection)
        connection.execute("begin immediate")
        for place in places:
            old, new = place.recorded, place.configured
            connection.execute(
                "update experiments set artifact_location = ? where experiment_id = ?", (new, place.experiment_id)
            )
            staying = _children(old) - _children(new)
            for table, key, column in ADDRESSES:
                if table not in tables:
                    continue
                query = f"select {key}, {column} from {table} where {column} like ?"
                changed = [
                    (f"{new}{address[len(old) :]}", row)
                    for row, address in connection.execute(query, (f"{old}/%",)).fetchall()
                    if address.startswith(f"{old}/") and address[len(old) :].split("/")[1] not in staying
                ]
                connection.executemany(f"update {table} set {column} = ? where {key} = ?", changed)
        connection.execute("commit")


@contextmanager
def _connection(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection without implicit transactions.

    Raises:
        StoreError: if the database cannot be read or written.
    """
    try:
        with closing(sqlite3.connect(database, timeout=WAIT_SECONDS, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise StoreError(
            f"{database}: the addresses of its artifacts cannot be read, or brought up to date: {error}"
        ) from error


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def _is_folder(uri: str) -> bool:
    folder = folder_of(uri)
    return folder is not None and folder.is_dir()


def _children(uri: str) -> set[str]:
    folder = folder_of(uri)
    return {child.name for child in folder.iterdir()} if folder is not None and folder.is_dir() else set()
