"""Differences between sweeps, from their recorded plans."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = "absent"


def changed(plans: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The keys whose values over all jobs differ between plans: for each, these values, a text per plan."""
    every = [_values(plan) for plan in plans]
    keys = sorted({key for values in every for key in values})
    found = {key: [", ".join(values.get(key, [])) or ABSENT for values in every] for key in keys}
    return {key: texts for key, texts in found.items() if len(set(texts)) > 1}


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, what two plans differ in: their jobs, or the conditions by which adaptive ones choose these."""
    before, after = ({job["config_hash"] for job in plan["jobs"]} for plan in (recorded, now))
    if before == after:
        old, new = (flat(plan.get("conditions") or {}) for plan in (recorded, now))
        changed_keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        return [f"{key}: recorded {old.get(key, ABSENT)}, now {new.get(key, ABSENT)}" for key in changed_keys]
    lines = [f"{key}: recorded {old}, now {new}" for key, (old, new) in changed([recorded, now]).items()]
    return lines or [f"recorded {len(before)} jobs, now {len(after)}, in other combinations"]


def _values(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each key's values over all jobs of a plan."""
    found: dict[str, list[str]] = {}
    for job in plan["jobs"]:
        for key, value in flat(job["determinants"]).items():
            values = found.setdefault(key, [])
            if value not in values:
                values.append(value)
    return {key: sorted(values, key=_order) for key, values in found.items()}


def _order(value: str) -> tuple[float, str]:
    """Numbers first, by their size."""
    try:
        return float(value), value
    except ValueError:
        return math.inf, value


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A tree's leaves as texts, by their dotted keys."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = str(value)
    return found
