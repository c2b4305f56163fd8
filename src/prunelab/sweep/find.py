"""A sweep by what a person calls it."""

from __future__ import annotations

from difflib import get_close_matches

from mlflow.entities import Run as MlflowRun

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
    known = [name for sweep in sweeps for name in (sweep.info.run_name, sweep.info.run_id)]
    nearest = get_close_matches(wanted, known, n=3, cutoff=0.3) or known[:1]
    raise StoreError(
        f"there is no sweep {wanted!r} in experiment {store.experiment_name}; nearest: {', '.join(nearest)}"
    )
