"""One recorded run: its configuration, what it measured, and the circumstances in which it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from mlflow.entities import Run as MlflowRun

from prunelab import names
from prunelab.errors import StoreError
from prunelab.tracking.environment import git_state, machine, versions
from prunelab.tracking.read import CURVE_METRICS
from prunelab.tracking.recorder import DIGEST
from prunelab.tracking.store import Store

THREADS = "torch_threads"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the store has of a run.

    `curves` has each metric's value per epoch, of a training alone; `circumstances` what may make it come out
    otherwise, in words; `baseline` the run id of the training that a job started from.
    """

    run_id: str
    name: str
    kind: str
    config: dict[str, Any]
    metrics: dict[str, float]
    curves: dict[str, dict[int, float]]
    circumstances: dict[str, str]
    baseline: str | None
    baseline_key: str | None

    @property
    def threads(self) -> int | None:
        """Torch's threads when it ran; None where that is not recorded."""
        recorded = self.circumstances.get(THREADS, "")
        return int(recorded) if recorded.isdigit() else None


def recorded(store: Store, run: MlflowRun) -> Recorded:
    """The run with the artifacts that say how it came about.

    Raises:
        StoreError: if it lacks one of them.
    """
    run_id, tags = run.info.run_id, run.data.tags
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
    digests = [each.dataset.digest for each in run.inputs.dataset_inputs] if run.inputs else []
    commit, dirty = tags.get(names.GIT_COMMIT, "unknown"), tags.get(names.GIT_DIRTY, "unknown")
    training = tags.get(names.KIND) == names.Kind.BASELINE
    return Recorded(
        run_id=run_id,
        name=run.info.run_name,
        kind=tags.get(names.KIND, ""),
        config=config,
        metrics={name: value for name, value in run.data.metrics.items() if not training or name not in CURVE_METRICS},
        curves={metric: store.history(run_id, metric) for metric in CURVE_METRICS} if training else {},
        circumstances=_circumstances(commit, dirty, digests[0] if digests else "unknown", known),
        baseline=tags.get(names.BASELINE_RUN),
        baseline_key=tags.get(names.BASELINE_KEY),
    )


def circumstances(digest: str) -> dict[str, str]:
    """Those of this process, with the data set of this digest."""
    commit, dirty = git_state() or ("unknown", "unknown")
    return _circumstances(commit, dirty, digest[:DIGEST], {**versions(), **machine()})


def copy_run(run: MlflowRun, source: Store, target: Store, *paths: str) -> None:
    """A finished run in another store: its numbers, its tags, and the artifacts at these paths."""
    own = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    with target.run(names.Kind(own[names.KIND]), run.info.run_name, tags=own) as copy:
        copy.metrics(run.data.metrics)
        copy.files({path: source.read(run.info.run_id, path) for path in paths})


def _circumstances(commit: object, dirty: object, digest: str, rest: Mapping[str, object]) -> dict[str, str]:
    facts = {"commit": commit, "uncommitted changes": dirty, "data (SHA-256)": digest, **rest}
    return {name: str(value) for name, value in facts.items()}
