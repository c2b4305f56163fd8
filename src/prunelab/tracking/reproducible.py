"""One run with what it takes to repeat it: its configuration, what it measured, and the circumstances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.environment import git_state, machine, versions
from prunelab.tracking.recorder import DIGEST
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

THREADS = "torch_threads"


@dataclass(frozen=True, slots=True)
class Reproducible:
    """A run and how it came about.

    `metrics`: its results; of a training, `curves` has the value of each metric per epoch. `circumstances`: what may
    give other results, in words: commit, data, versions, machine.
    """

    run: Run
    config: dict[str, Any]
    metrics: dict[str, float]
    curves: dict[str, dict[int, float]]
    circumstances: dict[str, str]

    @property
    def threads(self) -> int | None:
        """Torch's threads when it ran; None where that is not recorded."""
        recorded = self.circumstances.get(THREADS, "")
        return int(recorded) if recorded.isdigit() else None


def reproducible(store: Store, run_id: str) -> Reproducible:
    """The run with this id, with the artifacts that say how it came about.

    Raises:
        StoreError: if there is no such run, or it lacks one of them.
    """
    run = store.get(run_id)
    try:
        config = yaml.safe_load(store.read(run_id, names.CONFIG_FILE))
        environment = json.loads(store.read(run_id, names.ENVIRONMENT_FILE))
        known = {**environment["versions"], **environment["machine"]}
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"run {run_id} has a damaged {names.CONFIG_FILE} or {names.ENVIRONMENT_FILE}: {error}"
        ) from error
    if not isinstance(config, dict):
        raise StoreError(f"run {run_id} has a damaged {names.CONFIG_FILE}")
    commit, dirty = run.tags.get(names.GIT_COMMIT, "unknown"), run.tags.get(names.GIT_DIRTY, "unknown")
    training = run.kind == Kind.BASELINE
    return Reproducible(
        run=run,
        config=config,
        metrics={name: value for name, value in run.metrics.items() if not training or name not in names.OF_EPOCHS},
        curves={metric: store.history(run_id, metric) for metric in names.OF_EPOCHS} if training else {},
        circumstances=_circumstances(commit, dirty, run.digest, known),
    )


def circumstances(digest: str) -> dict[str, str]:
    """The circumstances of this process, with the data set of this digest."""
    commit, dirty = git_state() or ("unknown", "unknown")
    return _circumstances(commit, dirty, digest[:DIGEST], {**versions(), **machine()})


def _circumstances(commit: object, dirty: object, digest: str, rest: Mapping[str, object]) -> dict[str, str]:
    facts = {"commit": commit, "uncommitted changes": dirty, "data (SHA-256)": digest, **rest}
    return {name: str(value) for name, value in facts.items()}


def copy_run(run: Run, source: Store, target: Store, *paths: str) -> None:
    """Copy a finished run into another store: its metrics, its tags, and the artifacts at these paths."""
    own = {name: value for name, value in run.tags.items() if not name.startswith("mlflow.")}
    with target.run(Kind(run.kind), run.name, tags=own) as copy:
        copy.metrics(run.metrics)
        copy.files({path: source.read(run.id, path) for path in paths})
