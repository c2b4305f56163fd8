"""What two sweeps differ in, from their recorded plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, what two plans differ in; nothing if they are the same jobs."""
    before = {job["config_hash"]: job for job in recorded["jobs"]}
    after = {job["config_hash"]: job for job in now["jobs"]}
    if before.keys() == after.keys():
        return []
    old, new = _values(recorded), _values(now)
    lines = [
        f"{key}: recorded {_list(old.get(key, []))}, now {_list(new.get(key, []))}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    return lines or [f"recorded {len(before)} jobs, now {len(after)}, in other combinations"]


def _values(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each key's values over all jobs of a plan."""
    found: dict[str, list[str]] = {}
    for job in plan["jobs"]:
        for key, value in _flat(job["determinants"]).items():
            values = found.setdefault(key, [])
            if value not in values:
                values.append(value)
    return {key: sorted(values) for key, values in found.items()}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _list(values: list[str]) -> str:
    return ", ".join(values) if values else "absent"
