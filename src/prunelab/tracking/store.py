"""Experiments of an MLflow store: their runs written, looked for and read."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prunelab import interruption, names
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.addresses import redacted
from prunelab.tracking.artifacts import read_artifact
from prunelab.tracking.environment import git_state, process
from prunelab.tracking.outage import release_reserve, writing
from prunelab.tracking.recorder import Recorder, create
from prunelab.tracking.run import Run, SweepRuns, run_of, runs_where, search

NO_SUCH_RUN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""How MLflow says that there is no run with an id, or that a text is not an id."""


class Store:
    """One experiment, which can be written; or several, for commands that look for runs in all of them.

    `experiments`: names by id. `client` is private to this package; other packages use the methods.
    """

    def __init__(self, tracking: Tracking, client: MlflowClient, experiments: Mapping[str, str]) -> None:
        self.tracking = tracking
        self.client = client
        self.experiments = experiments

    @property
    def experiment_id(self) -> str:
        """The id of the one experiment."""
        (found,) = self.experiments
        return found

    def of(self, run: Run) -> Store:
        """The experiment that a run belongs to."""
        name = self.client.get_experiment(run.experiment_id).name
        return Store(self.tracking, self.client, {run.experiment_id: name})

    def everywhere(self) -> Store:
        """All experiments of the store."""
        return Store(self.tracking, self.client, {e.experiment_id: e.name for e in self.client.search_experiments()})

    def newest(self) -> Store:
        """The experiment with the newest sweep; without a sweep, that with the newest job, or the first."""
        for kind in (Kind.SWEEP, Kind.JOB):
            for run in self._search(runs_where(kind, None, None, {}), most=1):
                return self.of(run)
        return Store(self.tracking, self.client, dict([*self.experiments.items()][:1]))

    @property
    def address(self) -> str:
        """Where the store is, without a password."""
        return redacted(self.tracking.uri)

    def experiment_tags(self) -> dict[str, str]:
        """The tags of the experiment itself."""
        return dict(self.client.get_experiment(self.experiment_id).tags)

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Tags of the experiment itself; its description only where a person has not written one."""
        known = self.experiment_tags()
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
            with interruption.heeded():
                yield recorder
        except (Exception, interruption.OutOfTime) as error:
            recorder.description(f"**Failed**: {type(error).__name__}: {error}")
            with suppress(Exception):  # the store may be what failed; the error itself counts for more
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
        """A new run, RUNNING; `run` also ends it whatever happens."""
        commit, dirty = git_state() or ("unknown", "unknown")
        every = {
            names.KIND: kind.value,
            names.GIT_COMMIT: commit,
            names.GIT_DIRTY: dirty,
            "mlflow.source.name": "prunelab",
            **process(),
            **(tags or {}),
            **({} if parent is None else {names.PARENT: parent}),
        }
        return self.recorder(create(self.tracking.uri, self.experiment_id, name, every))

    def end(self, recorder: Recorder, status: str, files: Mapping[str, str] | None = None) -> None:
        """Write what was collected, and end the run; as FAILED if it should be FINISHED and cannot be written.

        Raises:
            StoreError: if it cannot be written.
        """
        try:
            if files:
                recorder.files(files)
            recorder.end(status)
        except Exception:
            release_reserve(self.tracking)
            ended = "FAILED" if status == "FINISHED" else status
            for closing in (recorder.flush, partial(self.client.set_terminated, recorder.id, ended)):
                with suppress(Exception):
                    closing()
            raise

    def recorder(self, run_id: str) -> Recorder:
        """A recorder for a run that exists; its status stays."""
        return Recorder(self.client, run_id)

    def reopen(self, run_id: str) -> Recorder:
        """A recorder for a run that exists, and that is RUNNING again in this process."""
        self.client.update_run(run_id, status="RUNNING")
        recorder = self.recorder(run_id)
        recorder.tags(process())
        recorder.flush()
        return recorder

    def fail(self, run_id: str, words: str) -> None:
        """End as FAILED a run that does not end itself, with the reason."""
        self._end_as("FAILED", run_id, words)

    def kill(self, run_id: str, words: str) -> None:
        """End as KILLED a run whose own process is gone, with the reason."""
        self._end_as("KILLED", run_id, words)

    def _end_as(self, status: str, run_id: str, words: str) -> None:
        recorder = self.recorder(run_id)
        recorder.description(f"**{status.capitalize()}**: {words}")
        self.end(recorder, status)

    def delete(self, run_id: str) -> None:
        """Mark a run as deleted: no command sees it any more."""
        self.client.delete_run(run_id)

    def look_up(self, run_id: str) -> Run | None:
        """The run with this id, in whatever experiment of the store; None if there is none, or it is deleted.

        Raises:
            StoreError: if the store cannot say.
        """
        try:
            run = run_of(self.client.get_run(run_id))
        except MlflowException as error:
            if error.error_code in NO_SUCH_RUN:
                return None
            raise StoreError(f"{self.address} cannot look up run {run_id}: {redacted(str(error))}") from error
        return None if run.deleted else run

    def get(self, run_id: str) -> Run:
        """The run with this id, in whatever experiment of the store.

        Raises:
            StoreError: if there is none.
        """
        run = self.look_up(run_id)
        if run is None:
            raise StoreError(f"there is no run {run_id} in {self.address}")
        return run

    def sweep(self, sweep_id: str) -> SweepRuns:
        """A sweep and its jobs as the store has them now.

        Raises:
            StoreError: if there is none.
        """
        return SweepRuns(self.get(sweep_id), tuple(self.children(sweep_id)[::-1]))

    def find(self, kind: Kind, status: str | None = None, name: str | None = None, **tags: str) -> list[Run]:
        """Runs of a kind, with this status, name and tags; newest first.

        Raises:
            StoreError: if the store cannot look for them.
        """
        return self._search(runs_where(kind, status, name, tags))

    def children(self, sweep_id: str, status: str | None = None, ended_since: int | None = None) -> list[Run]:
        """The jobs of a sweep, newest first; with `ended_since` (ms), those that ended at that time or later.

        Raises:
            StoreError: if the store cannot look for them.
        """
        return self._search(runs_where(Kind.JOB, status, None, {names.PARENT: sweep_id}, ended_since))

    def _search(self, condition: str, most: int | None = None) -> list[Run]:
        try:
            return search(self.client, list(self.experiments), condition, newest_first=True, most=most)
        except MlflowException as error:
            raise StoreError(f"the store cannot be asked for runs where {condition}: {error}") from error

    def read(self, run_id: str, path: str) -> bytes:
        """The content of an artifact.

        Raises:
            StoreError: if the run has no such artifact.
        """
        return read_artifact(self.client, run_id, self.get(run_id).address, path)

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """A metric's value at each step.

        Raises:
            StoreError: if the store cannot say.
        """
        try:
            return {m.step: m.value for m in self.client.get_metric_history(run_id, metric)}
        except MlflowException as error:
            raise StoreError(f"run {run_id} has no readable {metric}: {error}") from error

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by only one process of this machine at a time.

        Raises:
            Unwritable: if the folder of locks cannot be written.
        """
        with writing(str(self.tracking.locks)):
            self.tracking.locks.mkdir(parents=True, exist_ok=True)
            held = FileLock(self.tracking.locks / f"{name}.lock").acquire()
        with held:
            yield
