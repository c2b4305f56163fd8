"""What a sweep is going to do: its jobs, composed and checked before the first of them starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from prunelab.config import Job
from prunelab.fingerprint import fingerprint
from prunelab.identity import determinants
from prunelab.job import check
from prunelab.recovery.recover import recovery_of
from prunelab.sweep.combinations import Combination, as_overrides
from prunelab.sweep.composing import composer
from prunelab.sweep.launchers import threads_per_job

IN_A_NAME = ("method", "percentage", "recovery", "seed")
"""Keys whose values are in the name of a job, where they vary."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job, the overrides that it was composed from, everything that determines its result, and the hash of that."""

    overrides: Combination
    job: Job
    determinants: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep's jobs, none twice, all checked. `threads`: torch threads of each; None: as many as there are cores.

    `conditions` are what an adaptive sweep, which chooses its jobs as it goes, decides by (JSON-like); `jobs` are then
    one for each combination that it begins with.
    """

    name: str
    jobs: tuple[PlannedJob, ...]
    threads: int | None = None
    conditions: Mapping[str, Any] | None = None

    @property
    def adaptive(self) -> bool:
        """Whether its jobs are chosen as it goes, so that nobody knows how many there will be."""
        return self.conditions is not None

    @property
    def in_names(self) -> tuple[str, ...]:
        """Which of recovery and seed differ between the jobs, so that their names in the store have them."""
        varies = {
            "recovery": len({planned.job.recovery.name for planned in self.jobs}) > 1,
            "seed": len({planned.job.seed for planned in self.jobs}) > 1,
        }
        return tuple(key for key, does in varies.items() if does)

    @property
    def labels(self) -> dict[str, str]:
        """What each job is called on the terminal, by its hash: its name and, where several have it, what differs."""
        in_names, common = self.in_names, self.common
        count = Counter(planned.job.name_with(in_names) for planned in self.jobs)
        labels = {}
        for planned in self.jobs:
            words = [planned.job.name_with(in_names)]
            if count[words[0]] > 1:
                differing = {key: value for key, value in planned.overrides.items() if (key, value) not in common}
                words += as_overrides({key: differing[key] for key in differing if key not in IN_A_NAME})
            labels[planned.hash] = " ".join(words)
        return labels

    @property
    def common(self) -> set[tuple[str, str]]:
        """The overrides that all jobs have."""
        return set.intersection(*(set(planned.overrides.items()) for planned in self.jobs)) if self.jobs else set()

    @property
    def record(self) -> dict[str, Any]:
        """The plan as it is kept with the sweep's run, JSON-like: every job, and all that determines its result."""
        in_names = self.in_names
        return {
            "name": self.name,
            **({"conditions": dict(self.conditions)} if self.conditions is not None else {}),
            "jobs": [
                {
                    "name": planned.job.name_with(in_names),
                    "config_hash": planned.hash,
                    "overrides": as_overrides(planned.overrides),
                    "determinants": planned.determinants,
                }
                for planned in self.jobs
            ],
        }

    def without(self, config_hashes: set[str]) -> Plan:
        """The plan less the jobs that are done; that of an adaptive sweep, which asks for them again, unchanged."""
        if self.adaptive:
            return self
        return replace(self, jobs=tuple(planned for planned in self.jobs if planned.hash not in config_hashes))


class Planner:
    """Composes the jobs of a sweep and says what identifies them; `config` is the sweep's own configuration."""

    def __init__(self, config: DictConfig, loader: ConfigLoader) -> None:
        self._compose = composer(config, loader)
        self._threads = threads_per_job(config.hydra.launcher)

    def job(self, overrides: Combination, job: Job | None = None) -> PlannedJob:
        """The job of a combination, which is composed unless it is given.

        Raises:
            ConfigError: if it is refused.
        """
        job = job or self._compose(overrides)
        found = determinants(job, self._threads)
        return PlannedJob(overrides, job, found, fingerprint(found))

    def plan(
        self, combinations: Iterable[Combination], conditions: Callable[[Job], Mapping[str, Any]] | None = None
    ) -> Plan:
        """Compose and check every job; a job that another one repeats is left out.

        A recovery that trains is only fairly compared with the unpruned network given the same extra training. The job
        that does that, with percentage 0, is added where the sweep does not ask for it, before the jobs that are
        compared with it, so that an interrupted sweep has it.

        An adaptive sweep says in `conditions` what it decides by; no job is added to it.

        Raises:
            PrunelabError: for the first job that could not run; nothing has been done by then.
        """
        jobs: dict[str, PlannedJob] = {}
        trains: dict[str, bool] = {}
        references: set[tuple[tuple[str, str], ...]] = set()
        for overrides in combinations:
            job = self._compose(overrides)
            removed = (job.method, job.percentage, job.percentage_of)
            sections = fingerprint([job.data, job.model, *removed, job.recovery, job.trainer, job.measure])
            if sections not in trains:
                check(job)
                trains[sections] = recovery_of(job.recovery)[1].trains
            planned = self.job(overrides, job)
            reference = {**overrides, "percentage": "0"}
            known = tuple(reference.items())
            if conditions is None and trains[sections] and planned.hash not in jobs and known not in references:
                references.add(known)
                first = self.job(reference)
                jobs.setdefault(first.hash, first)
            jobs.setdefault(planned.hash, planned)
        every = tuple(jobs.values())
        decided = [conditions(planned.job) for planned in every] if conditions else [None]
        return Plan(every[0].job.name, every, self._threads, decided[0])
