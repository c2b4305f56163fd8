"""What a whole store holds: every run of every experiment, grouped by the sweep it belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlflow.entities import Experiment, ViewType
from mlflow.entities import Run as MlflowRun
from mlflow.tracking import MlflowClient

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.environment import is_gone

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded run. `deleted`: marked so by MLflow, which keeps its rows and artifacts; `started` in ms."""

    id: str
    name: str
    experiment: str
    kind: str
    status: str
    deleted: bool
    started: int
    address: str
    tags: dict[str, str]
    metrics: dict[str, float]

    @property
    def sweep(self) -> str | None:
        """The run id of the sweep that a job or a curve belongs to."""
        return self.tags.get(names.PARENT) if self.kind == Kind.JOB else self.tags.get(names.SWEEP_ID)

    @property
    def baseline(self) -> str | None:
        """The run id of the baseline that a job started from."""
        return self.tags.get(names.BASELINE_RUN)

    @property
    def is_abandoned(self) -> bool:
        """Whether it is RUNNING and its process is known to be gone."""
        return not self.deleted and self.status == "RUNNING" and is_gone(self.tags)

    @property
    def is_at_work(self) -> bool:
        """Whether it is RUNNING, and its process may be alive."""
        return not self.deleted and self.status == "RUNNING" and not is_gone(self.tags)


@dataclass(frozen=True, slots=True)
class SweepRuns:
    """A sweep's own run, then its jobs and curves, the oldest first."""

    sweep: Entry
    parts: tuple[Entry, ...]

    @property
    def all(self) -> tuple[Entry, ...]:
        """The parts before the sweep's own run: the order in which they can be deleted, and that be taken up again."""
        return (*self.parts, self.sweep)

    @property
    def jobs(self) -> list[Entry]:
        """The jobs alone."""
        return [part for part in self.parts if part.kind == Kind.JOB]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The runs of a store that are prunelab's, by the tag `kind`, the oldest first."""

    entries: tuple[Entry, ...]

    @property
    def active(self) -> list[Entry]:
        """Those that are not marked as deleted."""
        return [entry for entry in self.entries if not entry.deleted]

    @property
    def deleted(self) -> list[Entry]:
        """Those that MLflow marked as deleted: their rows and artifacts are still there."""
        return [entry for entry in self.entries if entry.deleted]

    @property
    def sweeps(self) -> list[SweepRuns]:
        """The newest first."""
        parts: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.active:
            if entry.kind != Kind.SWEEP and entry.sweep is not None:
                parts[entry.sweep].append(entry)
        found = [SweepRuns(entry, tuple(parts[entry.id])) for entry in self.active if entry.kind == Kind.SWEEP]
        return found[::-1]

    @property
    def baselines(self) -> list[Entry]:
        """All that are not marked as deleted."""
        return [entry for entry in self.active if entry.kind == Kind.BASELINE]

    @property
    def single_jobs(self) -> list[Entry]:
        """Jobs that belong to no sweep."""
        return [entry for entry in self.active if entry.kind == Kind.JOB and entry.sweep is None]

    @property
    def orphans(self) -> list[Entry]:
        """Jobs and curves whose sweep is not there any more."""
        there = {entry.id for entry in self.active if entry.kind == Kind.SWEEP}
        return [
            entry
            for entry in self.active
            if entry.kind in (Kind.JOB, Kind.CURVE) and entry.sweep is not None and entry.sweep not in there
        ]

    def unneeded_baselines(self, going: Iterable[Entry]) -> list[Entry]:
        """Baselines that only jobs among `going` started from; none of an experiment where something still runs.

        A job tells its baseline when it ends, so what is running may need any of them.
        """
        gone = {entry.id for entry in going}
        released = {entry.baseline for entry in going}
        needed = {entry.baseline for entry in self.active if entry.id not in gone}
        busy = {entry.experiment for entry in self.active if entry.is_at_work and entry.id not in gone}
        return [
            entry
            for entry in self.baselines
            if entry.id in released and entry.id not in needed and entry.experiment not in busy
        ]

    def find_sweep(self, wanted: str) -> SweepRuns:
        """By run id or name; `last` is the newest.

        Raises:
            StoreError: if there is none, or several have that name.
        """
        sweeps = self.sweeps
        if wanted == "last" and sweeps:
            return sweeps[0]
        found = [each for each in sweeps if wanted in (each.sweep.id, each.sweep.name)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(f"{each.sweep.id} ({each.sweep.experiment})" for each in found)
            raise StoreError(f"sweep {wanted}: {len(found)} sweeps have that name; say which by its run id: {ids}")
        known = ", ".join(each.sweep.name for each in sweeps[:5]) or "none"
        raise StoreError(f"there is no sweep {wanted!r} in the store; the newest: {known} (prunelab-store list)")


def inventory(client: MlflowClient, experiments: Sequence[Experiment]) -> Inventory:
    """All runs of these experiments that carry the tag `kind`."""
    titles = {experiment.experiment_id: experiment.name for experiment in experiments}
    found: list[Entry] = []
    token = None
    while titles:
        page = client.search_runs(
            list(titles),
            f"tags.{names.KIND} LIKE '%'",
            ViewType.ALL,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found += [_entry(run, titles[run.info.experiment_id]) for run in page]
        token = page.token
        if not token:
            break
    return Inventory(tuple(found))


def _entry(run: MlflowRun, experiment: str) -> Entry:
    return Entry(
        id=run.info.run_id,
        name=run.info.run_name,
        experiment=experiment,
        kind=run.data.tags.get(names.KIND, ""),
        status=run.info.status,
        deleted=run.info.lifecycle_stage != "active",
        started=run.info.start_time,
        address=run.info.artifact_uri,
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
    )
