"""A local store that was moved or copied finds its artifacts again.

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
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from prunelab.errors import StoreError, spelled_out

EXPERIMENT_KIND = "mlflow.experimentKind"
"""The tag that prunelab gives its experiments; addresses of other people's experiments are left alone."""
WAIT_SECONDS = 60.0
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
        """Whether these are two different folders, both of them prunelab's layout: a root, then the experiment."""
        suffix = _quoted(self.name)
        if self.recorded == self.configured or not self.recorded.endswith(suffix):
            return False
        old, new = folder_of(self.recorded), folder_of(self.configured)
        return old is not None and new is not None and not (old.exists() and new.exists() and old.samefile(new))

    @property
    def is_lost(self) -> bool:
        """Whether runs are recorded and their folder is at neither place."""
        old, new = folder_of(self.recorded), folder_of(self.configured)
        return self.has_runs and not (old and old.is_dir()) and not (new and new.is_dir())

    @property
    def moved(self) -> bool:
        """Whether the configured folder is there, or there is nothing yet that could be at the recorded one."""
        old, new = folder_of(self.recorded), folder_of(self.configured)
        return bool(new and new.is_dir()) or (not self.has_runs and not (old and old.is_dir()))


def location(artifacts: Path, experiment: str) -> str:
    """The URI of an experiment's folder below the artifact root."""
    return (artifacts / experiment).as_uri()


def folder_of(uri: str) -> Path | None:
    """The folder of a local artifact address; None for a server's."""
    parsed = urlparse(uri)
    return Path(unquote(parsed.path)) if parsed.scheme in ("", "file") else None


def refuse_path(name: str) -> None:
    """Refuse an experiment whose folder would be the artifact root itself, or outside of it.

    Raises:
        StoreError: naming it.
    """
    if spelled_out(name) != name or any(part in ("", ".", "..") for part in name.split("/")):
        raise StoreError(
            f"tracking.experiment_name={name} is refused: artifacts are kept in a folder of that name; it accepts text "
            "without .. or a / at either end"
        )


def file_of(folder: Path, path: str) -> Path:
    """An artifact in the folder of its run.

    Raises:
        OSError: if it is no plain file, or a link that leads out of the folder.
    """
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise OSError(f"{file} is a link that leads out of the run's folder")
    if file.exists() and not file.is_file():
        raise OSError(f"{file} is no file")
    return file


def refuse_outside(address: str, root: Path | None) -> None:
    """Refuse to write onto a run that was recorded earlier, perhaps by somebody else, if that would lead out of `root`.

    Raises:
        StoreError: naming the folder, or a link in it.
    """
    folder = folder_of(address)
    if folder is None or root is None:
        return
    if not folder.resolve().is_relative_to(root.resolve()):
        raise StoreError(
            f"its artifacts are recorded at {folder}, outside of tracking.artifacts={root}; nothing is written there "
            "unless tracking.artifacts= names it"
        )
    link = next((path for path in folder.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise StoreError(f"{link} is a link, and nothing is written through links; delete it")


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
    wanted = [place for place in places if place.moved or (lost_too and place.is_lost)]
    if wanted:
        _rewrite(database, wanted)
        _warn(wanted)
    return wanted


def _places(database: Path, artifacts: Path) -> list[Place]:
    """Of the experiments that prunelab made; none where MLflow's tables are not there yet."""
    with _connection(database) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        if not {"experiments", "experiment_tags", "runs"} <= tables:
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
    """All in one transaction, so that another process sees the old addresses or the new ones."""
    with _connection(database) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        connection.execute("begin immediate")
        for place in places:
            old, new = place.recorded, place.configured
            connection.execute(
                "update experiments set artifact_location = ? where experiment_id = ?", (new, place.experiment_id)
            )
            only_there = _children(old) - _children(new)
            for table, key, column in (
                ("runs", "run_uuid", "artifact_uri"),
                ("logged_models", "model_id", "artifact_location"),
                ("model_versions", "rowid", "source"),
                ("model_versions", "rowid", "storage_location"),
            ):
                if table in tables:
                    _replace(connection, (table, key, column), old, new, only_there)
        connection.execute("commit")


def _replace(
    connection: sqlite3.Connection, where: tuple[str, str, str], old: str, new: str, staying: set[str]
) -> None:
    """The beginning of every address below `old`, but of those in the folders that are `staying`."""
    table, key, column = where
    rows = connection.execute(f"select {key}, {column} from {table} where {column} like ?", (f"{old}/%",)).fetchall()
    changed = [
        (f"{new}{address[len(old) :]}", row)
        for row, address in rows
        if address.startswith(f"{old}/") and address[len(old) :].split("/")[1] not in staying
    ]
    connection.executemany(f"update {table} set {column} = ? where {key} = ?", changed)


def _children(uri: str) -> set[str]:
    folder = folder_of(uri)
    return {child.name for child in folder.iterdir()} if folder is not None and folder.is_dir() else set()


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


def _quoted(name: str) -> str:
    return Path("/", name).as_uri().removeprefix("file://")


def _warn(places: list[Place]) -> None:
    for place in places:
        log.warning(
            f"{place.name}: the store was moved or copied; its artifacts, recorded at {place.recorded}, are now read "
            f"from and written to {place.configured}"
        )
