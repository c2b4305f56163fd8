"""What was run, as far as it determines or explains a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set: its name, the SHA-256 of its content, where it was read from."""

    name: str
    digest: str
    source: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of a whole sweep; what was not recorded is empty.

    `overrides`: what it varied and set, one text per key (`percentage=0,50`). `config`, `versions` and `machine` are
    those of its first job, `commits` and `data` those of all jobs.
    """

    sweep_id: str
    started: str
    overrides: tuple[str, ...]
    config: str
    commits: tuple[str, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, str | int]
    data: tuple[DataSource, ...]


def merged(jobs: list[list[str]]) -> tuple[str, ...]:
    """The overrides of all jobs as those of the sweep: `percentage=0` and `percentage=50` make `percentage=0,50`."""
    values: dict[str, dict[str, None]] = {}
    for overrides in jobs:
        for override in overrides:
            key, _, value = override.partition("=")
            values.setdefault(key, {})[value] = None
    return tuple(f"{key}={','.join(each)}" for key, each in values.items())
