"""A recorded run by what a person calls it: its name, its run id, or `last`."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.store import Store


def find_sweep(store: Store, wanted: str, called: str | None = None) -> MlflowRun:
    """The sweep with this run id or name; `last` is the newest, of those `called` so where that is given.

    Raises:
        StoreError: if there is none, offering the nearest names.
    """
    sweeps = store.find(Kind.SWEEP, **({names.SWEEP_NAME: called} if called else {}))
    if not sweeps:
        which = f"no sweep called {called}" if called else "no sweep"
        raise StoreError(f"there is {which} in experiment {store.experiment_name} of {store.address}")
    if wanted == "last":
        return sweeps[0]
    for sweep in sweeps:
        if wanted in (sweep.info.run_id, sweep.info.run_name):
            return sweep
    raise _unknown(store, "sweep", wanted, sweeps)


def find_job(store: Store, wanted: str, finished: bool = True) -> MlflowRun:
    """The job with this run id, or the newest one of this name; `last` is the newest of all.

    With `finished`, a name means the newest finished one, and a run that is not FINISHED is refused. A run id is found
    in whatever experiment of the store it is.

    Raises:
        StoreError: if there is none (offering the nearest names), it is not a job, or not finished.
    """
    return find_run(store, wanted, (Kind.JOB,), finished)


def find_run(store: Store, wanted: str, kinds: Sequence[Kind], finished: bool = True) -> MlflowRun:
    """As `find_job`, for any of these kinds; `last` and a name mean the first kind that has such a run.

    Raises:
        StoreError: if there is none (offering the nearest names), it is of another kind, or not finished.
    """
    what = " or ".join(kind.value for kind in kinds)
    run = _by_id(store, wanted)
    if run is None:
        name = None if wanted == "last" else wanted
        named = next(filter(None, (store.find(kind, name=name) for kind in kinds)), None)
        if not named:
            raise _unknown(store, what, wanted, [run for kind in kinds for run in store.find(kind)])
        run = next((each for each in named if not finished or each.info.status == "FINISHED"), named[0])
    kind = run.data.tags.get(names.KIND, "run of something else")
    if kind not in [each.value for each in kinds]:
        raise StoreError(f"run {wanted} ({run.info.run_name}) is a {kind}: it takes the run id or the name of a {what}")
    if finished and run.info.status != "FINISHED":
        raise StoreError(f"{kind} {run.info.run_name} (run {run.info.run_id}) is {run.info.status}, not FINISHED")
    return run


def _by_id(store: Store, wanted: str) -> MlflowRun | None:
    try:
        run = store.client.get_run(wanted)
    except MlflowException:
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _unknown(store: Store, what: str, wanted: str, runs: Sequence[MlflowRun]) -> StoreError:
    """That `wanted` is none of `runs`, and which of them are called nearly so."""
    if not runs:
        return StoreError(f"there is no {what} in experiment {store.experiment_name} of {store.address}")
    known = list(dict.fromkeys(name for run in runs for name in (run.info.run_name, run.info.run_id)))
    nearest = get_close_matches(wanted, known, n=3, cutoff=0.3) or known[:1]
    return StoreError(
        f"there is no {what} {wanted!r} in experiment {store.experiment_name}; nearest: {', '.join(nearest)}"
    )
