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

CANDIDATES = 12
"""So many runs of one name are listed; more are counted."""
CHOSEN = ("recovery", "seed")
"""Parameters in which jobs of one name differ most often."""


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
    """The job with this run id or of this name; `last` is the newest of all.

    A name that different jobs have is refused; of repetitions of one job it means the newest. With `finished`, only
    finished ones count, and a run that is not FINISHED is refused. A run id is found in whatever experiment of the
    store it is.

    Raises:
        StoreError: if there is none (offering the nearest names) or several, it is not a job, or not finished.
    """
    return find_run(store, wanted, (Kind.JOB,), finished)


def find_run(store: Store, wanted: str, kinds: Sequence[Kind], finished: bool = True) -> MlflowRun:
    """As `find_job`, for any of these kinds; `last` and a name mean the first kind that has such a run.

    Raises:
        StoreError: if there is none (offering the nearest names) or several, it is of another kind, or not finished.
    """
    what = " or ".join(kind.value for kind in kinds)
    run = _by_id(store, wanted)
    if run is None:
        name = None if wanted == "last" else wanted
        named = next(filter(None, (store.find(kind, name=name) for kind in kinds)), None)
        if not named:
            every = [run for kind in kinds for run in store.find(kind)]
            _refuse_several(wanted, what, [run for run in every if run.info.run_name.startswith(f"{wanted}-")])
            raise _unknown(store, what, wanted, every)
        able = [each for each in named if not finished or each.info.status == "FINISHED"] or named[:1]
        if name is not None and len({_identity(each) for each in able}) > 1:
            _refuse_several(wanted, what, able)
        run = able[0]
    kind = run.data.tags.get(names.KIND, "run of something else")
    if kind not in [each.value for each in kinds]:
        raise StoreError(f"run {wanted} ({run.info.run_name}) is a {kind}: it takes the run id or the name of a {what}")
    if finished and run.info.status != "FINISHED":
        raise StoreError(f"{kind} {run.info.run_name} (run {run.info.run_id}) is {run.info.status}, not FINISHED")
    return run


def described(run: MlflowRun) -> str:
    """A job and what tells it from others of its name: `weight-50 (run 1f3c, recovery none, seed 0)`."""
    return f"{run.info.run_name} (run {run.info.run_id}, {_words(run, CHOSEN)})"


def _identity(run: MlflowRun) -> str:
    """What repetitions of one job, or of one training, have in common."""
    return str(run.data.tags.get(names.CONFIG_HASH) or run.data.tags.get(names.BASELINE_KEY) or run.info.run_id)


def _refuse_several(wanted: str, what: str, runs: Sequence[MlflowRun]) -> None:
    """Refuse a name that means all of these, newest first; nothing if there are none.

    Raises:
        StoreError: with the run ids, and what tells the runs apart.
    """
    newest = list({_identity(run): run for run in reversed(runs)}.values())[::-1]
    if not newest:
        return
    keys = dict.fromkeys([*CHOSEN, *(key for run in newest for key in run.data.params)])
    differ = [key for key in keys if key in CHOSEN or len({run.data.params.get(key) for run in newest}) > 1]
    lines = [f"  {run.info.run_id}  {run.info.run_name}: {_words(run, differ)}" for run in newest[:CANDIDATES]]
    more = [f"  and {len(newest) - CANDIDATES} more (prunelab-report --jobs)"] if len(newest) > CANDIDATES else []
    raise StoreError("\n".join([f"{wanted} is the name of several {what}s; say which by its run id:", *lines, *more]))


def _words(run: MlflowRun, keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {run.data.params[key]}" for key in keys if key in run.data.params)


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
