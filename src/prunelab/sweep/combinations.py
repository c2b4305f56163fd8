"""The combinations of settings that a sweep runs: a grid of values, listed jobs, keys that change together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString

from prunelab.errors import ConfigError

Combination = dict[str, str]
"""One job's overrides: for each key (`method`, `+model.extra`) its value as it is written on the command line."""

JOBS, ZIP = "hydra.sweeper.jobs", "hydra.sweeper.zip"
FORM = "each job is a list of overrides, [method=weight, percentage=90], or keys with a value each"


def as_overrides(combination: Combination) -> list[str]:
    """As Hydra takes it: `key=value` each."""
    return [f"{key}={value}" for key, value in combination.items()]


def combination_of(overrides: Iterable[str]) -> Combination:
    """The combination that overrides `key=value` are; of a key given twice, the last value."""
    return {key: value for key, _, value in (override.partition("=") for override in overrides)}


def combined(
    swept: Sequence[Combination], jobs: Sequence[Any] | None, zipped: Mapping[str, Any] | None
) -> list[Combination]:
    """Every combination of the `swept` grid with each of the `jobs` and with each step of the `zipped` keys.

    Raises:
        ConfigError: naming the key, for an invalid job or list of values, lists of different lengths, or a key
            that is set in two of the three.
    """
    listed = [_job(job, number) for number, job in enumerate(jobs or [], start=1)]
    steps = _steps(zipped or {})
    given, own, in_step = (
        {key.lstrip("+~") for combination in combinations for key in combination}
        for combinations in (swept, listed, steps)
    )
    elsewhere = "on the command line or in hydra.sweeper.params"
    for twice, one, other in (
        (own & given, JOBS, elsewhere),
        (in_step & given, ZIP, elsewhere),
        (own & in_step, JOBS, ZIP),
    ):
        if twice:
            raise ConfigError(
                f"{', '.join(sorted(twice))} is refused: set in {one} and {other}; it accepts one of them"
            )
    return [one | job | step for one, job, step in product(swept, listed or [{}], steps or [{}])]


def _job(job: Any, number: int) -> Combination:
    """The combination that an entry of `jobs` is."""
    if isinstance(job, Mapping) and job:
        overrides = [f"{key}={spelled(value)}" for key, value in job.items()]
    elif isinstance(job, Sequence) and not isinstance(job, str) and job and all(isinstance(o, str) for o in job):
        overrides = list(job)
    else:
        raise ConfigError(f"{JOBS}: job {number}, {job!r}, is refused: {FORM}")
    for override in overrides:
        if "=" not in override:
            raise ConfigError(f"{JOBS}: job {number}, {override!r}, is refused: {FORM}")
        if _parsed(override, JOBS).is_sweep_override():
            raise ConfigError(f"{JOBS}: job {number}, {override}, is refused: it has several values; {FORM}")
    return combination_of(overrides)


def _steps(zipped: Mapping[str, Any]) -> list[Combination]:
    """The combination of each step: the first values of all keys, the second ones, and so on."""
    columns: dict[str, list[str]] = {}
    for key, values in zipped.items():
        if isinstance(values, Sequence) and not isinstance(values, str):
            columns[key] = [spelled(value) for value in values]
            continue
        parsed = _parsed(f"{key}={values}", ZIP)
        if not parsed.is_sweep_override():
            raise ConfigError(f"{ZIP}.{key}={values} is refused: it accepts values with commas, or a list")
        columns[key] = list(parsed.sweep_string_iterator())
    if len({len(column) for column in columns.values()}) > 1:
        counts = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
        raise ConfigError(f"{ZIP} is refused: its keys change together and need equal numbers of values: {counts}")
    return [dict(zip(columns, step, strict=True)) for step in zip(*columns.values(), strict=True)]


def _parsed(override: str, name: str) -> Override:
    try:
        (parsed,) = OverridesParser.create().parse_overrides([override])
    except Exception as error:
        raise ConfigError(f"{name}: {override} is refused: {error}") from error
    return parsed


def spelled(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(spelled, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float) or re.fullmatch(r"[\w./*-]+", str(value)):
        return str(value)
    return QuotedString(str(value), Quote.single).with_quotes()
