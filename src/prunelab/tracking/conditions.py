"""What runs are looked for by, in the words of MLflow's filters."""

from __future__ import annotations

from collections.abc import Mapping

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind


def runs_where(kind: Kind, status: str | None, name: str | None, also: str, tags: Mapping[str, str]) -> str:
    """Runs of a kind, with this status, name and tags, and under a condition that is in MLflow's words already.

    Raises:
        StoreError: for a text that MLflow cannot look for.
    """
    conditions = [f"tags.{names.KIND} = '{kind.value}'"]
    conditions += [f"tags.`{tag}` = {_quoted(value)}" for tag, value in tags.items()]
    if name is not None:
        conditions.append(f"attributes.run_name = {_quoted(name)}")
    if status is not None:
        conditions.append(f"attributes.status = '{status}'")
    if also:
        conditions.append(also)
    return " and ".join(conditions)


def _quoted(value: str) -> str:
    """A text as MLflow's filters take it: they know both quotes, but no way to escape one."""
    if "'" in value and '"' in value:
        raise StoreError(f"{value}: MLflow cannot look for a text that holds both kinds of quotes")
    return f'"{value}"' if "'" in value else f"'{value}'"
