"""A run as the store has it, in this package's own words: nothing outside of tracking sees MLflow's entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.environment import is_gone

PAGE = 1000
"""Runs that one request asks for."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", strict=True))
class DataSet:
    """A data set that a run used. `digest`: the first characters of its SHA-256; `source_type` and `tags` are MLflow's.

    Archives hold it, too: pydantic validates it there.
    """

    name: str
    digest: str
    source_type: str
    source: str
    tags: dict[str, str]


@plain_dataclass(frozen=True, slots=True)
class Run:
    """One run. Times in ms since 1970.

    `kind`: the tag, empty for a run that is not prunelab's. `deleted`: marked so by MLflow, which keeps its rows and
    artifacts. `address`: the URI of its artifacts. `metrics`: the last value of each.
    """

    id: str
    name: str
    experiment_id: str
    kind: str
    status: str
    deleted: bool
    started: int
    ended: int | None
    address: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    data_sets: tuple[DataSet, ...]

    def __str__(self) -> str:
        return f"{self.kind or 'run'} {self.name} (run {self.id})"

    @property
    def sweep(self) -> str | None:
        """The run id of the sweep that a job or a curve belongs to."""
        return self.tags.get(names.PARENT) if self.kind == Kind.JOB else self.tags.get(names.SWEEP_ID)

    @property
    def baseline(self) -> str | None:
        """The run id of the baseline that a job started from."""
        return self.tags.get(names.BASELINE_RUN)

    @property
    def digest(self) -> str:
        """The digest of the data set it used; `unknown` where none is recorded."""
        return self.data_sets[0].digest if self.data_sets else "unknown"

    @property
    def process(self) -> str:
        """The process that wrote it, for messages."""
        return f"process {self.tags.get('process.pid')} on {self.tags.get('process.host')}"

    @property
    def is_abandoned(self) -> bool:
        """Whether it is RUNNING and its process is known to be gone."""
        return self._is_open and is_gone(self.tags)

    @property
    def is_at_work(self) -> bool:
        """Whether it is RUNNING, and its process may be alive."""
        return self._is_open and not is_gone(self.tags)

    @property
    def _is_open(self) -> bool:
        return not self.deleted and self.status == "RUNNING"


@plain_dataclass(frozen=True, slots=True)
class SweepRuns:
    """A sweep's own run, and its parts, oldest first: its jobs (each try of one), and from an inventory its curves."""

    run: Run
    parts: tuple[Run, ...]

    @property
    def all(self) -> tuple[Run, ...]:
        """The parts before the sweep's own run: deleted in this order, an interrupted deletion can be repeated."""
        return (*self.parts, self.run)

    @property
    def jobs(self) -> list[Run]:
        """The jobs alone."""
        return [part for part in self.parts if part.kind == Kind.JOB]

    @property
    def finished(self) -> list[Run]:
        """The jobs that finished, each configuration once: the newest."""
        done = {job.tags.get(names.CONFIG_HASH, job.id): job for job in self.jobs if job.status == "FINISHED"}
        return list(done.values())


def run_of(found: MlflowRun) -> Run:
    """A run as MLflow's client returns it, converted."""
    info, data = found.info, found.data
    used = found.inputs.dataset_inputs if found.inputs else []
    return Run(
        id=info.run_id,
        name=info.run_name,
        experiment_id=info.experiment_id,
        kind=data.tags.get(names.KIND, ""),
        status=info.status,
        deleted=info.lifecycle_stage != "active",
        started=info.start_time,
        ended=info.end_time,
        address=info.artifact_uri,
        params=dict(data.params),
        metrics=dict(data.metrics),
        tags=dict(data.tags),
        data_sets=tuple(
            DataSet(
                name=each.dataset.name,
                digest=each.dataset.digest,
                source_type=each.dataset.source_type,
                source=each.dataset.source,
                tags={tag.key: tag.value for tag in each.tags},
            )
            for each in used
        ),
    )


def search(
    client: MlflowClient,
    experiments: Sequence[str],
    condition: str,
    newest_first: bool,
    deleted: bool = False,
    most: int | None = None,
) -> list[Run]:
    """All runs of these experiments (their ids) that meet a condition in MLflow's filter language, by start time.

    `deleted`: also those that are marked as deleted. `most`: at most this many (up to a page).

    Raises:
        MlflowException: if the store refuses the condition or does not answer.
    """
    found: list[Run] = []
    token = None
    while experiments:
        page = client.search_runs(
            list(experiments),
            condition,
            ViewType.ALL if deleted else ViewType.ACTIVE_ONLY,
            max_results=min(PAGE, most or PAGE),
            order_by=[f"attributes.start_time {'DESC' if newest_first else 'ASC'}"],
            page_token=token,
        )
        found += map(run_of, page)
        token = page.token
        if not token or len(found) == most:
            break
    return found


def runs_where(
    kind: Kind, status: str | None, name: str | None, tags: Mapping[str, str], ended_since: int | None = None
) -> str:
    """The filter for runs of a kind with this status, name and tags that ended at `ended_since` (ms) or later.

    Raises:
        StoreError: for a text that MLflow cannot look for.
    """
    conditions = [f"tags.{names.KIND} = '{kind.value}'"]
    conditions += [f"tags.`{tag}` = {_quoted(value)}" for tag, value in tags.items()]
    if name is not None:
        conditions.append(f"attributes.run_name = {_quoted(name)}")
    if status is not None:
        conditions.append(f"attributes.status = '{status}'")
    if ended_since is not None:
        conditions.append(f"attributes.end_time >= {ended_since}")
    return " and ".join(conditions)


def _quoted(value: str) -> str:
    """A text as MLflow's filters take it: they know both quotes, but no way to escape one."""
    if "'" in value and '"' in value:
        raise StoreError(f"{value}: MLflow cannot look for a text that holds both kinds of quotes")
    return f'"{value}"' if "'" in value else f"'{value}'"
