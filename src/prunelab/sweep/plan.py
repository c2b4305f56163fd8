"""What a sweep is going to do: its jobs, composed and checked before the first of them starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunelab.config import Job
from prunelab.fingerprint import fingerprint
from prunelab.identity import determinants
from prunelab.job import check
from prunelab.recovery.recover import recovery_of

IN_A_NAME = ("method=", "percentage=", "recovery=", "seed=")
"""Overrides that the name of a job says, where they vary."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job, the overrides that lead to it, and its config hash."""

    overrides: tuple[str, ...]
    job: Job
    determinants: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep's jobs, none twice, all checked.

    `conditions`: what a sweep that decides as it goes decides by, JSON-like; its jobs are then only those that are
    known to be possible, one of each kind.
    """

    name: str
    jobs: tuple[PlannedJob, ...]
    conditions: Mapping[str, Any] | None = None

    @property
    def guided(self) -> bool:
        """Whether it decides as it goes."""
        return self.conditions is not None

    @property
    def told_by(self) -> tuple[str, ...]:
        """What of recovery and seed differs between the jobs, so that their names in the store say it."""
        varies = {
            "recovery": len({planned.job.recovery.name for planned in self.jobs}) > 1,
            "seed": len({planned.job.seed for planned in self.jobs}) > 1,
        }
        return tuple(key for key, does in varies.items() if does)

    @property
    def labels(self) -> dict[str, str]:
        """What each job is called on the terminal, by its config hash: its name, and what else it takes to tell it."""
        told_by = self.told_by
        count = Counter(planned.job.name_told_by(told_by) for planned in self.jobs)
        common = set.intersection(*(set(planned.overrides) for planned in self.jobs)) if self.jobs else set()
        labels = {}
        for planned in self.jobs:
            words = [planned.job.name_told_by(told_by)]
            if count[words[0]] > 1:
                words += [o for o in planned.overrides if o not in common and not o.startswith(IN_A_NAME)]
            labels[planned.hash] = " ".join(words)
        return labels

    @property
    def record(self) -> dict[str, Any]:
        """The plan as it is kept with the sweep run: every job, and all that decides what it computes."""
        told_by = self.told_by
        return {
            "name": self.name,
            **({"conditions": dict(self.conditions)} if self.conditions is not None else {}),
            "jobs": [
                {
                    "name": planned.job.name_told_by(told_by),
                    "config_hash": planned.hash,
                    "overrides": list(planned.overrides),
                    "determinants": planned.determinants,
                }
                for planned in self.jobs
            ],
        }

    def without(self, config_hashes: set[str]) -> Plan:
        """The plan less the jobs that are done; one that decides as it goes stays as it is."""
        if self.guided:
            return self
        return Plan(self.name, tuple(planned for planned in self.jobs if planned.hash not in config_hashes))


def plan(
    combinations: Iterable[Sequence[str]], compose: Callable[[Sequence[str]], Job], threads: int | None = None
) -> Plan:
    """Compose and check every job; a job that another one repeats is left out. `threads`: what the launcher gives each.

    A recovery that trains is only fairly compared with the unpruned network given the same extra training: the job
    that does so, its percentage 0, is added where the sweep does not ask for it. It comes before the jobs that are
    compared with it, so that a sweep that is interrupted has it.

    Raises:
        PrunelabError: for the first job that could not run; nothing has been done by then.
    """
    jobs: dict[str, PlannedJob] = {}
    checked: dict[str, bool] = {}
    references: set[tuple[str, ...]] = set()
    for overrides in combinations:
        job = compose(overrides)
        sections = fingerprint([job.data, job.model, job.method, job.recovery, job.trainer])
        if sections not in checked:
            check(job)
            checked[sections] = recovery_of(job.recovery)[1].trains
        planned = _identified(overrides, job, threads)
        reference = (*(o for o in overrides if not o.startswith("percentage=")), "percentage=0")
        if checked[sections] and planned.hash not in jobs and reference not in references:
            references.add(reference)
            first = _identified(reference, compose(reference), threads)
            jobs.setdefault(first.hash, first)
        jobs.setdefault(planned.hash, planned)
    every = tuple(jobs.values())
    return Plan(every[0].job.name, every)


def _identified(overrides: Sequence[str], job: Job, threads: int | None) -> PlannedJob:
    found = determinants(job, threads)
    return PlannedJob(tuple(overrides), job, found, fingerprint(found))
