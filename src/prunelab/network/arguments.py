"""Checks of a network's arguments from `conf/model/<name>.yaml`."""

from __future__ import annotations

from collections.abc import Sequence

from prunelab.errors import ConfigError


def accept_count(key: str, value: int) -> None:
    """Refuse anything but a whole number, at least 1.

    Raises:
        ConfigError: naming `model.<key>`, the value and what is accepted.
    """
    if not _is_count(value):
        raise refused(key, value, "a whole number, at least 1")


def accept_counts(key: str, values: Sequence[int], length: int | None = None) -> None:
    """Refuse anything but a list of whole numbers, each at least 1; `length`: of the list, None: at least 1.

    Raises:
        ConfigError: naming `model.<key>`, the value and what is accepted.
    """
    is_list = isinstance(values, list | tuple) and len(values) > 0 and all(_is_count(value) for value in values)
    if not is_list or (length is not None and len(values) != length):
        what = "whole numbers" if length is None else f"{length} whole numbers"
        raise refused(key, values, f"a list of {what}, each at least 1")


def refused(key: str, value: object, accepted: str) -> ConfigError:
    """The error for an invalid value of `model.<key>`; `accepted` says in words what is valid."""
    return ConfigError(f"model.{key}={value} is refused: it accepts {accepted}")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1
