"""Composes the jobs of a sweep as Hydra does, but once for each choice of options instead of once for each job.

Hydra reads, parses and merges every YAML file of a job again, some 75 ms. In a sweep most jobs differ in a few plain
values (`percentage=20`, `seed=3`): these are set on the resolved result of a composition of everything else. This is
only done where it cannot make a difference; whatever is not known to be plain is composed by Hydra itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf

from prunelab.config import Job
from prunelab.reading import job_of, plain, read
from prunelab.sweep.combinations import Combination, as_overrides

KNOWN = 10_000
"""How many parsed overrides are cached: the jobs of a sweep share them."""
INTERPOLATION = re.compile(r"\$\{([^{}]*)\}")
HARMLESS = re.compile(r"(hydra:runtime\.|oc\.env:)")
"""Resolvers whose result no override of a job's own keys changes."""


@dataclass(frozen=True, slots=True)
class _Base:
    """A composition: as Hydra has it (`config`, unresolved), resolved (`values`), and what its interpolations name.

    `references` is None where one of them cannot be judged.
    """

    config: DictConfig
    values: dict[str, Any]
    references: frozenset[str] | None


def composer(config: DictConfig, loader: ConfigLoader) -> Callable[[Combination], Job]:
    """A function that composes the job of a combination of overrides exactly as Hydra would.

    `config` is the sweep's own configuration. The function raises ConfigError for a job that is refused.
    """
    groups = frozenset(loader.list_groups(""))
    bases: dict[tuple[str, ...], _Base] = {}

    def by_hydra(overrides: Sequence[str]) -> DictConfig:
        composed = loader.load_sweep_config(config, list(overrides))
        HydraConfig.instance().set_config(composed)
        return composed

    def compose(combination: Combination) -> Job:
        overrides = as_overrides(combination)
        parsed = {text: _parsed(text) for text in overrides}
        simple = {text: override for text, override in parsed.items() if _is_simple(override, groups)}
        rest = [parsed[text].key_or_group.replace("/", ".") for text in overrides if text not in simple]
        settings = {
            text: override
            for text, override in simple.items()
            if not any(_related(override.key_or_group, other) for other in rest)
        }
        key = tuple(text for text in overrides if text not in settings)
        if key not in bases:
            composed = by_hydra(key)
            bases[key] = _Base(composed, plain(composed), _references(composed))
        base = bases[key]
        if not all(_is_leaf(base, override.key_or_group) for override in settings.values()):
            return read(by_hydra(overrides))
        values = copy.deepcopy(base.values)
        for override in settings.values():
            *sections, last = override.key_or_group.split(".")
            node = values
            for section in sections:
                node = node[section]
            node[last] = copy.deepcopy(override.value())
        return job_of(values)

    return compose


@lru_cache(KNOWN)
def _parsed(text: str) -> Override:
    (override,) = OverridesParser.create().parse_overrides([text])
    return override


def _is_simple(override: Override, groups: frozenset[str]) -> bool:
    """Whether it sets a key of the job's own to one plain value."""
    return (
        override.type is OverrideType.CHANGE
        and override.package is None
        and not override.is_sweep_override()
        and not override.is_hydra_override()
        and override.key_or_group not in groups
        and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", override.key_or_group) is not None
        and _is_plain(override.value())
    )


def _is_plain(value: Any) -> bool:
    """Whether OmegaConf keeps a value as it is: no section, interpolation or missing value in it."""
    if isinstance(value, list):
        return all(_is_plain(item) and not isinstance(item, list) for item in value)
    if isinstance(value, str):
        return "$" not in value and value != "???"
    return value is None or isinstance(value, bool | int | float)


def _is_leaf(base: _Base, key: str) -> bool:
    """Whether the composition has this key as an untyped value, and no interpolation reads it."""
    if base.references is None or any(_related(key, reference) for reference in base.references):
        return False
    *sections, last = key.split(".")
    node: Any = base.config
    for section in sections:
        if not isinstance(node, DictConfig) or section not in node or OmegaConf.is_interpolation(node, section):
            return False
        node = node[section]
    if not isinstance(node, DictConfig) or node._is_none() or last not in node:
        return False
    leaf = node._get_node(last)
    return type(leaf) is AnyNode or (isinstance(leaf, ListConfig) and not OmegaConf.is_interpolation(node, last))


def _related(one: str, other: str) -> bool:
    """Whether two keys are the same, or one is a section that holds the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _references(config: DictConfig) -> frozenset[str] | None:
    """The keys that the interpolations of a job's own configuration name; None if one of them cannot be judged."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("hydra", "experiment")])
    text = OmegaConf.to_yaml(own)
    insides = [inside.strip() for inside in INTERPOLATION.findall(text)]
    if text.count("${") != len(insides):
        return None
    names = [inside for inside in insides if not HARMLESS.match(inside)]
    return frozenset(names) if all(re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) for name in names) else None
