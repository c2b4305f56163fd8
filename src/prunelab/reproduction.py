"""Repeats a recorded job or training from its own configuration, in a temporary store."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from prunelab import __version__, names
from prunelab.arithmetic.environment import Arithmetic
from prunelab.config import Job, Tracking
from prunelab.data.dataset import Dataset, dataset_of
from prunelab.errors import ConfigError, StoreError
from prunelab.identity import baseline_key
from prunelab.job import check, run
from prunelab.names import Kind
from prunelab.network.trusted import refuse_foreign_job
from prunelab.refusals import refusals
from prunelab.report.agreement import FAILURES, Row, as_rich, compare_curves, compare_metrics, summary
from prunelab.report.console import terminal
from prunelab.tracking.find import find_run
from prunelab.tracking.opening import open_store
from prunelab.tracking.reproducible import Reproducible, circumstances, copy_run, reproducible
from prunelab.tracking.store import Store
from prunelab.training.baseline import baseline

NATIVE = {"arithmetic": Arithmetic.NATIVE.value}
"""The arithmetic of runs that do not record it: they predate the setting."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class How:
    """How a run is repeated: within which tolerance, with the recorded network, trusting the code that it names."""

    tolerance: float
    reuse_baseline: bool
    trust: bool


def reproduce(store: Store, here: Job, wanted: str, how: How) -> bool:
    """Repeat the run and print how it compares; returns whether all of it agrees.

    `here` says where things are on this machine; all else comes from the record.

    Raises:
        PrunelabError: if it cannot be repeated.
    """
    console = terminal()
    then = reproducible(store, find_run(store, wanted, (Kind.JOB, Kind.BASELINE)).id)
    job, supplied = rebuilt(then, here)
    if not how.trust:
        refuse_foreign_job(job)
    check(job)
    dataset = dataset_of(job.data)
    training = _training(store, then, job, dataset, how.reuse_baseline)
    _use(then.threads)
    console.print(str(then.run), highlight=False, soft_wrap=True)
    for key in supplied:
        log.warning(f"{key} is newer than the record and missing there: using the default")
    _print_changes(console, changes(then.circumstances, circumstances(dataset.digest)))

    parts: dict[str, list[Row]] = {}
    with _temporary_store(job) as (job, place):
        if training is not None and how.reuse_baseline:
            copy_run(training.run, store, place, names.CHECKPOINT)
        elif training is not None:
            _use(training.threads)
            again = reproducible(place, baseline(job, dataset, place).run_id)
            parts["Training of the unpruned network"] = [
                *compare_curves(training.curves, again.curves, how.tolerance),
                *compare_metrics(training.metrics, again.metrics, how.tolerance),
            ]
        if then.run.kind == Kind.JOB:
            again = reproducible(place, run(job, []).run_id)
            parts[f"Job {then.run.name}"] = compare_metrics(then.metrics, again.metrics, how.tolerance)
    rows = [row for part in parts.values() for row in part]
    for title, part in parts.items():
        console.print(as_rich(title, part))
    console.print(summary(rows), highlight=False)
    return not any(row.agreement in FAILURES for row in rows)


def rebuilt(then: Reproducible, here: Job) -> tuple[Job, list[str]]:
    """The recorded configuration as a job of this machine, and the keys that it lacks, which have their defaults.

    Raises:
        ConfigError: if it does not fit this version.
    """
    local = here.model_dump(mode="json")
    data, trainer = (then.config.get(section) or {} for section in ("data", "trainer"))
    config: dict[str, Any] = {
        **then.config,
        "tracking": local["tracking"],
        "paths": local["paths"],
        "resume": None,
        "data": {**data, "folder": local["data"]["folder"]},
        "trainer": {**NATIVE, **trainer, "threads": then.threads, "progress": local["trainer"]["progress"]},
    }
    supplied = _supply(config, local)
    try:
        return Job.model_validate(config), supplied
    except ValidationError as error:
        raise ConfigError(
            f"run {then.run.id} was recorded by prunelab {then.circumstances.get('prunelab', '(unknown)')}, commit "
            f"{then.circumstances['commit']}; its configuration does not fit this one, {__version__}:\n"
            f"{refusals(error, Job)}\nReproduce it with the version that recorded it."
        ) from None


def changes(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Differences from the recorded environment: (then, now) of each, and uncommitted changes if both have some."""
    known = {name: (then.get(name, "not recorded"), now.get(name, "none")) for name in {**then, **now}}
    return {name: pair for name, pair in known.items() if pair[0] != pair[1] or pair == ("True", "True")}


def _training(store: Store, then: Reproducible, job: Job, dataset: Dataset, reuse: bool) -> Reproducible | None:
    """The recorded training that the run is, or started from; None where the store has lost it.

    Raises:
        PrunelabError: if it is to be reused and cannot be.
    """
    if then.run.kind == Kind.BASELINE:
        if reuse:
            raise ConfigError(f"--reuse-baseline is refused: {then.run.name} is itself a baseline")
        return then
    recorded_key = then.run.tags.get(names.BASELINE_KEY)
    if reuse and recorded_key != (now := baseline_key(job)):
        raise ConfigError(
            f"--reuse-baseline is refused: the data or the training code has changed since, so that the recorded "
            f"baseline (key {recorded_key}) is not the one of this job (key {now}); without it, one is trained"
        )
    try:
        return reproducible(store, find_run(store, then.run.baseline or "", (Kind.BASELINE,)).id)
    except StoreError as error:
        if reuse:
            raise
        log.warning(f"the recorded training is not compared: {error}")
        return None


def _supply(config: dict[str, Any], local: Mapping[str, Any]) -> list[str]:
    """Add the keys that `config` lacks, from `local`; returns their names."""
    try:
        Job.model_validate(config)
    except ValidationError as error:
        missing = [each["loc"] for each in error.errors() if each["type"] == "missing"]
        for *sections, key in missing:
            into, source = config, local
            for section in map(str, sections):
                into, source = into[section], source[section]
            into[str(key)] = source[str(key)]
        return [".".join(map(str, path)) for path in missing]
    return []


def _use(threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)


def _print_changes(console: Console, changed: Mapping[str, tuple[str, str]]) -> None:
    """Differences from the recorded environment, as a table."""
    if not changed:
        console.print("Commit, versions, data and machine are those that are recorded.")
        return
    table = Table(title="Differences from the recorded environment", title_justify="left")
    for heading in ("", "recorded", "now"):
        table.add_column(heading, overflow="fold")
    for name, pair in changed.items():
        table.add_row(name, *pair)
    console.print(table)


@contextmanager
def _temporary_store(job: Job) -> Iterator[tuple[Job, Store]]:
    """A store that is deleted at the end, and the job as one that is recorded there."""
    with tempfile.TemporaryDirectory(prefix="prunelab-reproduce-") as folder:
        place = Path(folder)
        tracking = Tracking(
            uri=f"sqlite:///{place}/mlflow.db",
            artifacts=place / "artifacts",
            experiment_name=None,
            locks=place / "locks",
        )
        job = job.model_copy(update={"tracking": tracking})
        yield job, open_store(tracking, job.experiment_name)
