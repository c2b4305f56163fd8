"""The MLflow store: opened safely by many processes at once, and asked for runs."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from uuid import uuid4

from filelock import FileLock
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient

from prunelab import interruption, names
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking import moved, reserve
from prunelab.tracking.addresses import redacted, sqlite_file
from prunelab.tracking.conditions import runs_where
from prunelab.tracking.connection import connect
from prunelab.tracking.environment import git_state, process
from prunelab.tracking.patience import again, patient_client, writing
from prunelab.tracking.recorder import Recorder

PAGE = 1000


class Store:
    """One experiment of one MLflow tracking store."""

    def __init__(self, tracking: Tracking, experiment_name: str) -> None:
        self.tracking = tracking
        self.experiment_name = experiment_name
        self.client = patient_client(tracking.uri)
        self.experiment_id = self._experiment()

    @property
    def address(self) -> str:
        """Where the store is, without a password."""
        return redacted(self.tracking.uri)

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Tags of the experiment itself; its description only where a person has not written one."""
        known = self.client.get_experiment(self.experiment_id).tags
        for name, value in tags.items():
            if name != names.NOTE or name not in known:
                self.client.set_experiment_tag(self.experiment_id, name, redacted(value))

    @contextmanager
    def run(
        self, kind: Kind, name: str, parent: str | None = None, tags: Mapping[str, object] | None = None
    ) -> Iterator[Recorder]:
        """A new run, RUNNING until the block ends: then FINISHED, FAILED with its traceback, or KILLED."""
        recorder = self.start(kind, name, parent, tags)
        try:
            yield recorder
        except Exception as error:
            if interruption.asked():  # an error that a library made of the interruption
                self._kill(recorder)
                interruption.heed()
            recorder.description(f"**Failed**: {type(error).__name__}: {error}")
            with suppress(Exception):  # the store may be what failed; the error itself counts for more
                self.end(recorder, "FAILED", {names.TRACEBACK_FILE: traceback.format_exc()})
            raise
        except BaseException:
            self._kill(recorder)
            raise
        self.end(recorder, "FINISHED")

    def fail(self, run_id: str, words: str) -> None:
        """End as FAILED a run whose own process is gone, with the reason."""
        recorder = Recorder(self.client, run_id)
        recorder.description(f"**Failed**: {words}")
        self.end(recorder, "FAILED")

    def _kill(self, recorder: Recorder) -> None:
        recorder.description("**Killed**: interrupted before it was done.")
        with suppress(Exception):  # it may be the store's own work that was interrupted; the signal counts for more
            self.end(recorder, "KILLED")

    def start(
        self, kind: Kind, name: str, parent: str | None = None, tags: Mapping[str, object] | None = None
    ) -> Recorder:
        """A new run, RUNNING; `run` is the way to have it ended whatever happens."""
        commit, dirty = git_state() or ("unknown", "unknown")
        every: dict[str, object] = {
            names.KIND: kind.value,
            names.GIT_COMMIT: commit,
            names.GIT_DIRTY: dirty,
            "mlflow.source.name": "prunelab",
            **process(),
            **(tags or {}),
        }
        if parent is not None:
            every[names.PARENT] = parent
        if sqlite_file(self.tracking.uri) is None:
            every[names.CREATION] = uuid4().hex
        client = MlflowClient(self.tracking.uri)
        create = partial(client.create_run, self.experiment_id, run_name=name)
        created: MlflowRun = again(
            partial(create, tags={key: redacted(str(value)) for key, value in every.items()}),
            self.tracking.uri,
            partial(self._created, client, every.get(names.CREATION)),
        )
        return Recorder(self.client, created.info.run_id)

    def _created(self, client: MlflowClient, creation: object) -> MlflowRun | None:
        """The run that a server created before its answer was lost."""
        condition = f"tags.`{names.CREATION}` = '{creation}'"
        found = client.search_runs([self.experiment_id], condition) if creation is not None else []
        return found[0] if found else None

    def find(
        self,
        kind: Kind,
        status: str | None = None,
        name: str | None = None,
        also: str = "",
        **tags: str,
    ) -> list[MlflowRun]:
        """Runs of a kind, of this name, with these tags, and under a condition in MLflow's words; newest first."""
        condition = runs_where(kind, status, name, also, tags)
        found: list[MlflowRun] = []
        token = None
        while True:
            try:
                page = self.client.search_runs(
                    *([self.experiment_id], condition),
                    max_results=PAGE,
                    order_by=["attributes.start_time DESC"],
                    page_token=token,
                )
            except MlflowException as error:
                raise StoreError(f"the store cannot be asked for runs with {name or tags}: {error}") from error
            found += page
            token = page.token
            if not token:
                return found

    def children(self, sweep_id: str, status: str | None = None, ended_since: int | None = None) -> list[MlflowRun]:
        """The jobs of a sweep, newest first; with `ended_since` (ms), those that ended at that time or later."""
        since = "" if ended_since is None else f"attributes.end_time >= {ended_since}"
        return self.find(Kind.JOB, status, also=since, **{names.PARENT: sweep_id})

    def read(self, run_id: str, path: str) -> bytes:
        """The content of an artifact: from its file where the store is local, else downloaded.

        Raises:
            StoreError: if the run has no such artifact.
        """
        try:
            folder = moved.folder_of(self.client.get_run(run_id).info.artifact_uri)
            if folder is not None:
                return moved.file_of(folder, path).read_bytes()
            with tempfile.TemporaryDirectory() as place:
                return Path(self.client.download_artifacts(run_id, path, place)).read_bytes()
        except (MlflowException, OSError) as error:
            raise StoreError(f"run {run_id} has no readable artifact {path}: {error}") from error

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """A metric's value at each step."""
        return {m.step: m.value for m in self.client.get_metric_history(run_id, metric)}

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Only one process of this machine at a time."""
        with writing(str(self.tracking.locks)):
            self.tracking.locks.mkdir(parents=True, exist_ok=True)
            held = FileLock(self.tracking.locks / f"{name}.lock").acquire()
        with held:
            yield

    def end(self, recorder: Recorder, status: str, files: Mapping[str, str] | None = None) -> None:
        """Write what has gathered, and close the run; as FAILED if it should be FINISHED and cannot be written."""
        try:
            if files:
                recorder.files(files)
            recorder.flush()
        except Exception:
            reserve.give_up(self.tracking.locks)
            ended = "FAILED" if status == "FINISHED" else status
            for closing in (recorder.flush, partial(self.client.set_terminated, recorder.id, ended)):
                with suppress(Exception):
                    closing()
            raise
        self.client.set_terminated(recorder.id, status)

    def _experiment(self) -> str:
        known = self.client.get_experiment_by_name(self.experiment_name)
        if known is not None:
            return str(known.experiment_id)
        location = None
        if self.tracking.artifacts is not None:
            location = moved.location(self.tracking.artifacts, self.experiment_name)
        try:
            return str(
                self.client.create_experiment(
                    self.experiment_name,
                    artifact_location=location,
                    tags={moved.EXPERIMENT_KIND: "custom_model_development"},
                )
            )
        except RestException:  # another machine was first, or the answer to a first try was lost
            known = self.client.get_experiment_by_name(self.experiment_name)
            if known is None:
                raise
            return str(known.experiment_id)


@cache
def open_store(tracking: Tracking, experiment_name: str, waiting: bool = False) -> Store:
    """The store, made ready: the SQLite schema and the experiment are created under a lock by whoever comes first.

    `waiting`: a server that does not answer is waited for, as by a job of a sweep that has long begun.

    Raises:
        StoreError: if it cannot be written or reached.
    """
    moved.refuse_path(experiment_name)
    if waiting:
        again(partial(connect, tracking.uri), tracking.uri)
    else:
        connect(tracking.uri)
    database = sqlite_file(tracking.uri)
    try:
        if database is not None:
            _writable(database.parent)
        if database is not None and tracking.artifacts is not None:
            moved.mend(database, tracking.artifacts, writing=True)
        for folder in filter(None, (tracking.artifacts, tracking.locks)):
            _writable(folder)
        if database is not None:
            reserve.keep(tracking.locks)
        with FileLock(tracking.locks / "store.lock"):
            return Store(tracking, experiment_name)
    except OSError as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be written: {error}") from error
    except MlflowException as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be opened: {error}") from error


def _writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
