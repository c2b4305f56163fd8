"""What a whole store holds: every run of every experiment, grouped by the sweep it belongs to, and their artifacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mlflow.entities import Experiment
from mlflow.tracking import MlflowClient

from prunelab import names
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.addresses import sqlite_file
from prunelab.tracking.artifacts import Artifacts
from prunelab.tracking.find import chosen_sweep
from prunelab.tracking.opening import existing_experiments
from prunelab.tracking.recorder import Recorder
from prunelab.tracking.run import Run, SweepRuns, search


class Inventory:
    """The runs of these experiments that have the tag `kind`, read once; oldest first where nothing else is said."""

    def __init__(self, tracking: Tracking, experiments: Sequence[Experiment]) -> None:
        self.tracking = tracking
        self.database = sqlite_file(tracking.uri)
        self.client = MlflowClient(tracking.uri)
        self.experiments = experiments
        self.titles = {experiment.experiment_id: experiment.name for experiment in experiments}
        root = tracking.artifacts if self.database is not None else None
        self.artifacts = Artifacts(self.client, self.titles, root)
        condition = f"tags.{names.KIND} LIKE '%'"
        self.runs = search(self.client, list(self.titles), condition, newest_first=False, deleted=True)

    @property
    def active(self) -> list[Run]:
        """Runs that are not marked as deleted."""
        return [run for run in self.runs if not run.deleted]

    @property
    def deleted(self) -> list[Run]:
        """Runs that MLflow marked as deleted: their rows and artifacts are still there."""
        return [run for run in self.runs if run.deleted]

    @property
    def at_work(self) -> Run | None:
        """A run whose process may be alive; None if there is none."""
        return next((run for run in self.active if run.is_at_work), None)

    @property
    def sweeps(self) -> list[SweepRuns]:
        """Sweeps with their parts, newest first."""
        parts: dict[str, list[Run]] = defaultdict(list)
        for run in self.active:
            if run.kind != Kind.SWEEP and run.sweep is not None:
                parts[run.sweep].append(run)
        return [SweepRuns(run, tuple(parts[run.id])) for run in reversed(self.active) if run.kind == Kind.SWEEP]

    @property
    def baselines(self) -> list[Run]:
        """Trainings that are not marked as deleted."""
        return [run for run in self.active if run.kind == Kind.BASELINE]

    @property
    def single_jobs(self) -> list[Run]:
        """Jobs that belong to no sweep."""
        return [run for run in self.active if run.kind == Kind.JOB and run.sweep is None]

    @property
    def orphans(self) -> list[Run]:
        """Jobs and curves whose sweep is not there any more."""
        there = {None, *(run.id for run in self.active if run.kind == Kind.SWEEP)}
        return [run for run in self.active if run.kind in (Kind.JOB, Kind.CURVE) and run.sweep not in there]

    @property
    def broken_imports(self) -> list[Run]:
        """Runs that a killed import left behind."""
        return [run for run in self.active if run.kind == names.IMPORTING and not run.is_at_work]

    def unneeded_baselines(self, going: Iterable[Run]) -> list[Run]:
        """Baselines that only jobs among `going` started from; none of an experiment where something still runs.

        A job records its baseline when it ends, so what is running may need any of them.
        """
        gone = {run.id for run in going}
        released = {run.baseline for run in going}
        needed = {run.baseline for run in self.active if run.id not in gone}
        busy = {run.experiment_id for run in self.active if run.is_at_work and run.id not in gone}
        return [
            run
            for run in self.baselines
            if run.id in released and run.id not in needed and run.experiment_id not in busy
        ]

    def find_sweep(self, wanted: str) -> SweepRuns:
        """The sweep with this run id or name; `last` is the newest.

        Raises:
            StoreError: if there is none, or several have that name.
        """
        sweeps = {each.run.id: each for each in self.sweeps}
        return sweeps[chosen_sweep([each.run for each in sweeps.values()], wanted, "the store").id]

    def close_abandoned(self) -> int:
        """End as KILLED what dead processes left RUNNING; how many runs."""
        abandoned = [run for run in self.active if run.is_abandoned]
        for run in abandoned:
            recorder = Recorder(self.client, run.id)
            recorder.description("**Killed**: its process was gone when the store was checked.")
            recorder.end("KILLED")
        return len(abandoned)


def existing_inventory(tracking: Tracking) -> Inventory:
    """Everything in a store that is there.

    Raises:
        StoreError: if there is no such store, or another version of MLflow wrote it.
    """
    return Inventory(tracking, existing_experiments(tracking))


def still_running(what: str, run: Run) -> StoreError:
    """Says that `what` is refused while the process of a run may be alive."""
    return StoreError(f"{what} is refused: {run.kind} {run.name} is still running ({run.process})")
