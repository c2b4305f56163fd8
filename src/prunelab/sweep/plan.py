"""What a sweep is going to do: its jobs, composed and checked before the first of them starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prunelab.config import Job, fingerprint
from prunelab.job import check
from prunelab.recovery.recover import recovery_of


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job and the overrides that lead to it."""

    overrides: tuple[str, ...]
    job: Job


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep's jobs, none twice, all checked.

    `guided`: a sweep that decides as it goes; its jobs are then only those that are known to be possible, one of each
    kind, and it cannot be resumed.
    """

    name: str
    jobs: tuple[PlannedJob, ...]
    guided: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """What each job is called on the terminal, by its config hash: its name, and what else it takes to tell it."""
        count = Counter(planned.job.run_name for planned in self.jobs)
        common = set.intersection(*(set(planned.overrides) for planned in self.jobs)) if self.jobs else set()
        labels = {}
        for planned in self.jobs:
            words = [planned.job.run_name]
            if count[words[0]] > 1:
                words += [
                    o for o in planned.overrides if o not in common and not o.startswith(("method=", "percentage="))
                ]
            labels[planned.job.hash] = " ".join(words)
        return labels

    @property
    def record(self) -> dict[str, Any]:
        """The plan as it is kept with the sweep run: every job, and all that decides what it computes."""
        return {
            "name": self.name,
            "jobs": [
                {
                    "name": planned.job.run_name,
                    "config_hash": planned.job.hash,
                    "overrides": list(planned.overrides),
                    "determinants": planned.job.determinants,
                }
                for planned in self.jobs
            ],
        }

    def without(self, config_hashes: set[str]) -> Plan:
        """The plan less the jobs that are done."""
        return Plan(self.name, tuple(planned for planned in self.jobs if planned.job.hash not in config_hashes))


def plan(combinations: Iterable[Sequence[str]], compose: Callable[[Sequence[str]], Job]) -> Plan:
    """Compose and check every job; a job that another one repeats is left out.

    A recovery that trains is only fairly compared with the unpruned network given the same extra training: the job
    that does so, its percentage 0, is added where the sweep does not ask for it.

    Raises:
        PrunelabError: for the first job that could not run; nothing has been done by then.
    """
    jobs: dict[str, PlannedJob] = {}
    checked: set[str] = set()
    references: list[tuple[str, ...]] = []
    for overrides in combinations:
        job = compose(overrides)
        if job.hash in jobs:
            continue
        jobs[job.hash] = PlannedJob(tuple(overrides), job)
        sections = fingerprint([job.data, job.model, job.method, job.recovery])
        if sections not in checked:
            check(job)
            checked.add(sections)
        if recovery_of(job.recovery)[1].trains:
            references.append((*(o for o in overrides if not o.startswith("percentage=")), "percentage=0"))
    for overrides in dict.fromkeys(references):
        job = compose(overrides)
        jobs.setdefault(job.hash, PlannedJob(overrides, job))
    every = tuple(jobs.values())
    return Plan(every[0].job.name, every)
