"""What a sweep is going to do: its jobs, composed and checked before the first of them starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prunelab.config import Job, fingerprint
from prunelab.job import check


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job and the overrides that lead to it."""

    overrides: tuple[str, ...]
    job: Job


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep's jobs, none twice, all checked."""

    name: str
    jobs: tuple[PlannedJob, ...]

    @property
    def record(self) -> list[dict[str, object]]:
        """The plan as it is kept with the sweep run."""
        return [{"name": p.job.run_name, "config_hash": p.job.hash, "overrides": list(p.overrides)} for p in self.jobs]


def plan(combinations: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], Job]) -> Plan:
    """Compose and check every job.

    Raises:
        PrunelabError: for the first job that could not run; nothing has been done by then.
    """
    jobs: dict[str, PlannedJob] = {}
    checked: set[str] = set()
    for overrides in combinations:
        job = compose(overrides)
        planned = PlannedJob(tuple(overrides), job)
        if planned.job.hash in jobs:
            continue
        jobs[planned.job.hash] = planned
        sections = fingerprint([job.data, job.model, job.method, job.recovery])
        if sections not in checked:
            check(job)
            checked.add(sections)
    every = tuple(jobs.values())
    return Plan(every[0].job.name, every)
