"""Jobs that are no full grid: a list of them, or several keys that go in step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from prunelab.errors import ConfigError

JOBS, ZIP = "hydra.sweeper.jobs", "hydra.sweeper.zip"
FORM = "each job is a list of overrides, [method=weight, percentage=90], or keys with a value each"


def combined(
    grid: Sequence[Sequence[str]], jobs: Sequence[Any] | None, zipped: Mapping[str, Any] | None
) -> list[list[str]]:
    """Every combination of the grid with each of the `jobs` and with each step of what is `zipped`.

    Raises:
        ConfigError: naming the key, for a job or a list of values that is none, lists of different lengths, or a key
            that is set in two of the three.
    """
    given = {_key(override) for overrides in grid for override in overrides}
    listed = [_job(job, number) for number, job in enumerate(jobs or [], start=1)]
    steps = _steps(zipped or {})
    own = {_key(override) for overrides in listed for override in overrides}
    in_step = {_key(override) for overrides in steps for override in overrides}
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
    return [[*one, *job, *step] for one, job, step in product(grid, listed or [[]], steps or [[]])]


def _job(job: Any, number: int) -> list[str]:
    """The overrides of an entry of `jobs`."""
    if isinstance(job, Mapping) and job:
        overrides = [f"{key}={_spelled(value)}" for key, value in job.items()]
    elif isinstance(job, Sequence) and not isinstance(job, str) and job and all(isinstance(o, str) for o in job):
        overrides = list(job)
    else:
        raise ConfigError(f"{JOBS}: job {number}, {job!r}, is refused: {FORM}")
    for override in overrides:
        if "=" not in override:
            raise ConfigError(f"{JOBS}: job {number}, {override!r}, is refused: {FORM}")
        if _parsed(override, JOBS).is_sweep_override():
            raise ConfigError(f"{JOBS}: job {number}, {override}, is refused: it has several values; {FORM}")
    return overrides


def _steps(zipped: Mapping[str, Any]) -> list[list[str]]:
    """The overrides of each step: the first values of all keys, the second ones, and so on."""
    columns: list[list[str]] = []
    for key, values in zipped.items():
        if isinstance(values, Sequence) and not isinstance(values, str):
            columns.append([f"{key}={_spelled(value)}" for value in values])
            continue
        parsed = _parsed(f"{key}={values}", ZIP)
        if not parsed.is_sweep_override():
            raise ConfigError(f"{ZIP}.{key}={values} is refused: it accepts values with commas, or a list")
        columns.append([f"{key}={value}" for value in parsed.sweep_string_iterator()])
    lengths = {key: len(column) for key, column in zip(zipped, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{key} has {count}" for key, count in lengths.items())
        raise ConfigError(f"{ZIP} is refused: its keys go in step, so they have as many values each: {counts}")
    return [list(step) for step in zip(*columns, strict=True)]


def _parsed(override: str, name: str) -> Any:
    try:
        (parsed,) = OverridesParser.create().parse_overrides([override])
    except Exception as error:
        raise ConfigError(f"{name}: {override} is refused: {error}") from error
    return parsed


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _spelled(value: Any) -> str:
    """A value as an override spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_spelled, value))}]"
    if isinstance(value, int | float) or re.fullmatch(r"[\w./*-]+", str(value)):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
