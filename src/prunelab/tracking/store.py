"""The MLflow store: opened safely by many processes at once, and asked for runs."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import mlflow
import requests
from filelock import FileLock
from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prunelab import names
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking import moved
from prunelab.tracking.environment import git_state, process

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

PAGE = 1000
BATCH = 900
DIGEST = 36
"""How many characters of a data set's digest MLflow keeps."""
CONNECT_SECONDS = 5.0


class Recorder:
    """One open run. Values gather here and go to the store in one batch when the run ends, or on `flush`."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client = client
        self.id = run_id
        self._metrics: list[Metric] = []
        self._params: list[Param] = []
        self._tags: list[RunTag] = []

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Numbers, at a step."""
        now = int(time.time() * 1000)
        self._metrics += [Metric(name, float(value), now, step) for name, value in values.items()]

    def params(self, values: Mapping[str, object]) -> None:
        """Settings; they cannot be changed once written."""
        self._params += [Param(name, redacted(str(value))) for name, value in values.items()]

    def tags(self, values: Mapping[str, object]) -> None:
        """Tags; a later value replaces an earlier one."""
        self._tags += [RunTag(name, redacted(str(value))) for name, value in values.items()]

    def description(self, markdown: str) -> None:
        """The text that the UI shows at the head of the run."""
        self.tags({names.NOTE: markdown})

    def files(self, contents: Mapping[str, str | bytes | Path]) -> None:
        """Artifacts by their path in the run: a text, bytes, or a file to copy."""
        with tempfile.TemporaryDirectory() as folder:
            for path, content in contents.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, Path):
                    content = content.read_bytes()
                if isinstance(content, str):
                    content = redacted(content).encode()
                target.write_bytes(content)
                if path in names.DIGESTS:
                    self.tags({names.DIGESTS[path]: hashlib.sha256(content).hexdigest()})
            self.client.log_artifacts(self.id, folder)

    def dataset(self, name: str, digest: str, source: str) -> None:
        """The data set as an MLflow dataset input."""
        entity = MlflowDataset(name=name, digest=digest[:DIGEST], source_type="local", source=source)
        self.client.log_inputs(self.id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])

    def model(self, network: nn.Module, example: NDArray[np.float32]) -> None:
        """The network as an MLflow model, with a signature and an input example: to be loaded or served by MLflow."""
        from prunelab.tracking.model import log_model  # MLflow's PyTorch flavour takes a second to import

        log_model(self.id, network, example)

    def flush(self) -> None:
        """Write what has gathered."""
        while self._metrics or self._params or self._tags:
            self.client.log_batch(self.id, self._metrics[:BATCH], self._params[:90], self._tags[:90])
            self._metrics, self._params, self._tags = (
                self._metrics[BATCH:],
                self._params[90:],
                self._tags[90:],
            )


class Store:
    """One experiment of one MLflow tracking store."""

    def __init__(self, tracking: Tracking, experiment_name: str) -> None:
        self.tracking = tracking
        self.experiment_name = experiment_name
        self.client = MlflowClient(tracking_uri=tracking.uri)
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
            recorder.description(f"**Failed**: {type(error).__name__}: {error}")
            self.end(recorder, "FAILED", {names.TRACEBACK_FILE: traceback.format_exc()})
            raise
        except BaseException:
            recorder.description("**Killed**: interrupted before it was done.")
            with suppress(Exception):  # it may be the store's own work that was interrupted; the signal counts for more
                self.end(recorder, "KILLED")
            raise
        self.end(recorder, "FINISHED")

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
        created = self.client.create_run(
            self.experiment_id, run_name=name, tags={key: redacted(str(value)) for key, value in every.items()}
        )
        return Recorder(self.client, created.info.run_id)

    def find(
        self,
        kind: Kind,
        status: str | None = None,
        name: str | None = None,
        also: str = "",
        **tags: str,
    ) -> list[MlflowRun]:
        """Runs of a kind, of this name, with these tags, and under a condition in MLflow's words; newest first."""
        conditions = [f"tags.{names.KIND} = '{kind.value}'"]
        conditions += [f"tags.`{tag}` = {_quoted(value)}" for tag, value in tags.items()]
        if name is not None:
            conditions.append(f"attributes.run_name = {_quoted(name)}")
        if status is not None:
            conditions.append(f"attributes.status = '{status}'")
        if also:
            conditions.append(also)
        found: list[MlflowRun] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                " and ".join(conditions),
                max_results=PAGE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
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
                return (folder / path).read_bytes()
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
        self.tracking.locks.mkdir(parents=True, exist_ok=True)
        with FileLock(self.tracking.locks / f"{name}.lock"):
            yield

    def end(self, recorder: Recorder, status: str, files: Mapping[str, str] | None = None) -> None:
        """Write what has gathered, and close the run."""
        if files:
            recorder.files(files)
        recorder.flush()
        self.client.set_terminated(recorder.id, status)

    def _experiment(self) -> str:
        known = self.client.get_experiment_by_name(self.experiment_name)
        if known is not None:
            return str(known.experiment_id)
        location = None
        if self.tracking.artifacts is not None:
            location = moved.location(self.tracking.artifacts, self.experiment_name)
        return str(
            self.client.create_experiment(
                self.experiment_name,
                artifact_location=location,
                tags={moved.EXPERIMENT_KIND: "custom_model_development"},
            )
        )


@cache
def open_store(tracking: Tracking, experiment_name: str) -> Store:
    """The store, made ready: the SQLite schema and the experiment are created under a lock by whoever comes first.

    Raises:
        StoreError: if it cannot be written or reached.
    """
    connect(tracking.uri)
    database = sqlite_file(tracking.uri)
    try:
        if database is not None:
            _writable(database.parent)
        if database is not None and tracking.artifacts is not None:
            moved.mend(database, tracking.artifacts, writing=True)
        for folder in filter(None, (tracking.artifacts, tracking.locks)):
            _writable(folder)
        with FileLock(tracking.locks / "store.lock"):
            return Store(tracking, experiment_name)
    except OSError as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be written: {error}") from error
    except MlflowException as error:
        raise StoreError(f"tracking.uri={redacted(tracking.uri)}: the store cannot be opened: {error}") from error


def connect(uri: str) -> None:
    """Have MLflow use this store from here on.

    Raises:
        StoreError: if it is a server that does not answer.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.set_tracking_uri(uri)
    if sqlite_file(uri) is None:
        _reach(uri)


def redacted(text: str) -> str:
    """A text without the passwords of the addresses in it; whatever goes into the store passes here."""
    return re.sub(r"(://[^\s/:@]*):[^\s/@]*@", r"\1:***@", text)


def sqlite_file(uri: str) -> Path | None:
    """The file of a `sqlite:///` address; None for any other."""
    if not uri.startswith("sqlite:"):
        return None
    return Path(unquote(urlparse(uri).path)[1:])


def _quoted(value: str) -> str:
    """A text as MLflow's filters take it: they know both quotes, but no way to escape one."""
    if "'" in value and '"' in value:
        raise StoreError(f"{value}: MLflow cannot look for a text that holds both kinds of quotes")
    return f'"{value}"' if "'" in value else f"'{value}'"


def _reach(uri: str) -> None:
    """Ask a server whether it is there, once and briefly, before MLflow's own patience begins.

    Raises:
        StoreError: if it does not answer.
    """
    try:
        answer = requests.get(f"{uri.rstrip('/')}/health", timeout=CONNECT_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise StoreError(
            f"tracking.uri={redacted(uri)}: no MLflow server answers there ({redacted(str(error))}); start one "
            "(make server), or use the local store (tracking=local)"
        ) from None


def _writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
