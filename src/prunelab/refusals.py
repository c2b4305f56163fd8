"""Validation messages: the name of a key that is refused, its value, and what it accepts."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import BaseModel, ValidationError


def refusals(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """A pydantic error as a message, a line for each key; `prefix` stands before their names (`recovery.`)."""
    return "\n".join(_complaint(e, model, prefix) for e in error.errors())


def _complaint(error: Any, model: type[BaseModel], prefix: str) -> str:
    path = [str(part) for part in error["loc"]]
    key = prefix + ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"{key}: no such key"
    if error["type"] == "missing":
        accepted = _accepted(model, path)
        return f"{key} is missing" + (f": it accepts {accepted}" if accepted else "")
    if error["type"] == "value_error":
        if not path:  # of keys that do not go together, which the words name
            return str(error["ctx"]["error"])
        return f"{key}={error['input']} is refused: {error['ctx']['error']}"
    accepted = _accepted(model, path)
    words = f"it accepts {accepted}" if accepted else error["msg"]
    return f"{key}={error['input']} is refused: {words}"


def _accepted(model: Any, path: list[str]) -> str | None:
    """What the key at `path` accepts: the description of its field, or an enum's values; None if there is neither."""
    for depth, name in enumerate(path):
        field = getattr(model, "model_fields", {}).get(name)
        if field is None:
            return None
        if depth < len(path) - 1 and path[depth + 1].isdigit():  # one of a list: what the list accepts
            path = path[: depth + 1]
        parts = getattr(field.annotation, "__args__", (field.annotation,))  # those of an optional field, or it itself
        if depth < len(path) - 1:
            model = next((part for part in parts if hasattr(part, "model_fields")), None)
            continue
        words = [field.description, *(_described(part) for part in parts)]
        found = next((word for word in words if word), None)
        return f"{found} or null" if found and type(None) in parts else found
    return None


def _described(kind: Any) -> str | None:
    """What a type accepts: its description, or an enum's values."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(member.value) for member in kind)
    return next((m.description for m in getattr(kind, "__metadata__", ()) if getattr(m, "description", None)), None)
