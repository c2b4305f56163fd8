"""Refuses unknown keys on the command line before anything is composed, and suggests the nearest known ones.

Hydra would refuse them too, but it suggests adding them with a plus sign, which is rarely what was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from prunelab.config import Job
from prunelab.errors import ConfigError

GROUPS_OF_NO_JOB = ("experiment", "hydra")
"""Accepted on the command line, but not keys of a job."""


def refuse_unknown(overrides: Iterable[str]) -> None:
    """Check the names of keys, not their values; additions (`+key=`) and deletions (`~key`) are left to Hydra.

    Raises:
        ConfigError: for the first unknown key, naming the nearest known ones.
    """
    for override in overrides:
        key = override.partition("=")[0]
        if "=" not in override or key.startswith(("+", "~")) or "@" in key:
            continue
        first, *inner = key.replace("/", ".").split(".")
        known = [*Job.model_fields, *GROUPS_OF_NO_JOB]
        refuse_key(override, first, known, "")
        section = section_of(first)
        if inner and section is not None and section.model_config.get("extra") == "forbid":
            refuse_key(override, inner[0], list(section.model_fields), f"{first}.")


def refuse_key(override: str, name: str, known: Sequence[str], prefix: str) -> None:
    """Refuse an override whose key `prefix` + `name` is not known.

    Raises:
        ConfigError: naming the nearest known ones.
    """
    if name in known:
        return
    nearest = get_close_matches(name, known, n=2)
    meant = f"did you mean {' or '.join(f'{prefix}{each}=' for each in nearest)}?" if nearest else "see prunelab --help"
    raise ConfigError(f"{override} is refused: there is no key {prefix}{name}; {meant}")


def section_of(name: str) -> type[BaseModel] | None:
    """The section of a job that a key names; None if it is a plain value or unknown."""
    field = Job.model_fields.get(name)
    kinds: tuple[Any, ...] = () if field is None else (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
