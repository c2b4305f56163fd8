"""A run by what a person calls it: its name, its run id, or `last`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from difflib import get_close_matches

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.run import Run
from prunelab.tracking.store import Store

log = logging.getLogger(__name__)

CANDIDATES = 12
"""Runs of one name that are listed; more are counted."""
CHOSEN = ("recovery", "seed")
"""Parameters in which jobs of one name differ most often."""


def find_sweep(store: Store, wanted: str, called: str | None = None) -> Run:
    """The sweep with this run id or name; `last` is the newest. `called`: only of those with this experiment's name.

    Raises:
        StoreError: if there is none (with the nearest names), or several have that name.
    """
    sweeps = store.find(Kind.SWEEP, **({names.SWEEP_NAME: called} if called else {}))
    if called and not sweeps:
        raise StoreError(f"nothing to resume: no sweep named {called} is recorded in {_place(store)}")
    return chosen_sweep(sweeps, wanted, _place(store))


def chosen_sweep(sweeps: Sequence[Run], wanted: str, where: str) -> Run:
    """Of these sweeps, newest first, the one with this run id or name; `last` is the first.

    Raises:
        StoreError: if there is none (with the nearest names), or several have that name.
    """
    if wanted == "last" and sweeps:
        return sweeps[0]
    found = [sweep for sweep in sweeps if wanted in (sweep.id, sweep.name)]
    if not found:
        raise _unknown("sweep", wanted, sweeps, where)
    if len(found) > 1:
        raise _several(f"{wanted} is the name of several sweeps", found)
    return found[0]


def find_job(store: Store, wanted: str, finished: bool = True) -> Run:
    """The job with this run id or of this name; `last` is the newest of all.

    A name that different jobs have is refused; of repetitions of one job it means the newest. With `finished`, only
    finished ones count, and a run that is not FINISHED is refused. A run id is found in whatever experiment of the
    store it is.

    Raises:
        StoreError: if there is none (with the nearest names) or several, it is not a job, or not finished.
    """
    return find_run(store, wanted, (Kind.JOB,), finished)


def find_run(store: Store, wanted: str, kinds: Sequence[Kind], finished: bool = True) -> Run:
    """As `find_job`, for any of these kinds; `last` and a name mean the first kind that has such a run.

    Raises:
        StoreError: if there is none (with the nearest names) or several, it is of another kind, or not finished.
    """
    what = " or ".join(kind.value for kind in kinds)
    run = store.look_up(wanted)
    if run is None:
        name = None if wanted == "last" else wanted
        named = next(filter(None, (store.find(kind, name=name) for kind in kinds)), None)
        if not named:
            every = [run for kind in kinds for run in store.find(kind)]
            longer = [run for run in every if run.name.startswith(f"{wanted}-")]
            if longer:
                raise _several(f"there is no {what} {wanted!r}, but others whose names begin so", longer)
            raise _unknown(what, wanted, every, _place(store))
        able = [each for each in named if not finished or each.status == "FINISHED"] or named[:1]
        if name is not None and len({_identity(each) for each in able}) > 1:
            every_kind = " or ".join(f"{kind.value}s" for kind in kinds)
            raise _several(f"{wanted} is the name of several {every_kind}", able)
        run = able[0]
    log.debug(f"found {described(run)}")
    if run.kind not in [each.value for each in kinds]:
        kind = run.kind or "run of something else"
        raise StoreError(f"run {wanted} ({run.name}) is a {kind}: expected the run id or name of a {what}")
    if finished and run.status != "FINISHED":
        raise StoreError(f"{run} is {run.status}, not FINISHED")
    return run


def described(run: Run) -> str:
    """A job and what tells it from others of its name: `weight-50 (run 1f3c, recovery none, seed 0)`."""
    return f"{run.name} (run {run.id}, {_words(run, CHOSEN)})"


def _identity(run: Run) -> str:
    """What repetitions of one job, or of one training, have in common."""
    return run.tags.get(names.CONFIG_HASH) or run.tags.get(names.BASELINE_KEY) or run.id


def _several(head: str, runs: Sequence[Run]) -> StoreError:
    """The error for a name that may mean several runs, with their ids and what tells them apart, newest first."""
    newest = list({_identity(run): run for run in reversed(runs)}.values())[::-1]
    keys = dict.fromkeys([*CHOSEN, *(key for run in newest for key in run.params)])
    differ = [key for key in keys if key in CHOSEN or len({run.params.get(key) for run in newest}) > 1]
    lines = [": ".join(filter(None, (f"  {run.id}  {run.name}", _words(run, differ)))) for run in newest[:CANDIDATES]]
    more = [f"  and {len(newest) - CANDIDATES} more (prunelab-report --jobs)"] if len(newest) > CANDIDATES else []
    return StoreError("\n".join([f"{head}; say which by its run id:", *lines, *more]))


def _words(run: Run, keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {run.params[key]}" for key in keys if key in run.params)


def _place(store: Store) -> str:
    """What was searched."""
    name, *others = store.experiments.values()
    return store.address if others else f"experiment {name} of {store.address}"


def _unknown(what: str, wanted: str, runs: Sequence[Run], where: str) -> StoreError:
    """The error for a name that none of `runs` has, with the most similar names."""
    if not runs:
        return StoreError(f"there is no {what} in {where}")
    known = list(dict.fromkeys(name for run in runs for name in (run.name, run.id)))
    nearest = get_close_matches(wanted, known, n=3, cutoff=0.3) or known[:1]
    return StoreError(f"there is no {what} {wanted!r} in {where}; nearest: {', '.join(nearest)}")
