"""A whole store is listed by sweep, and what belongs to none is told apart; deleting takes what nobody else needs."""

from __future__ import annotations

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Project

from prunelab import names
from prunelab.compose import compose_job
from prunelab.config import Tracking
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.delete import delete, doomed, leftovers
from prunelab.tracking.inventory import existing_inventory
from prunelab.tracking.opening import open_store
from prunelab.tracking.store import Store

DEAD = {"process.pid": "999999999"}


@pytest.fixture
def tracking(project: Project) -> Tracking:
    """Two sweeps that share a baseline, the second with one of its own; a single job, and what was left behind."""
    job = compose_job([f"paths.root={project.folder}", "data=digits"])
    store = open_store(job.tracking, job.experiment_name)
    shared, own = finished(store, Kind.BASELINE, "shared"), finished(store, Kind.BASELINE, "own")
    for sweep, baselines in (("first", [shared]), ("second", [shared, own])):
        parent = finished(store, Kind.SWEEP, sweep)
        for number, baseline in enumerate(baselines):
            finished(store, Kind.JOB, f"{sweep}-{number}", parent, **{names.BASELINE_RUN: baseline})
        finished(store, Kind.CURVE, f"{sweep}-curve", **{names.SWEEP_ID: parent})
    finished(store, Kind.JOB, "single", **{names.BASELINE_RUN: shared})
    finished(store, Kind.JOB, "orphan", "a sweep that is gone")
    store.start(Kind.JOB, "half-imported", tags={names.KIND: names.IMPORTING, **DEAD})
    store.delete(finished(store, Kind.JOB, "marked"))
    return job.tracking


def finished(store: Store, kind: Kind, name: str, parent: str | None = None, **tags: str) -> str:
    with store.run(kind, name, parent, tags) as recorder:
        recorder.files({"text": name})
    return recorder.id


def test_every_run_is_in_one_place(tracking: Tracking) -> None:
    held = existing_inventory(tracking)
    assert [[run.name for run in each.all] for each in held.sweeps] == [
        ["second-0", "second-1", "second-curve", "second"],
        ["first-0", "first-curve", "first"],
    ]
    for found, expected in (
        (held.baselines, ["shared", "own"]),
        (held.single_jobs, ["single"]),
        (held.orphans, ["orphan"]),
        (held.broken_imports, ["half-imported"]),
        (held.deleted, ["marked"]),
    ):
        assert [run.name for run in found] == expected
    assert set(held.titles.values()) == {"digits-pruning"}
    assert held.artifacts.sizes(held.single_jobs[0]) == {"text": len("single")}
    assert held.artifacts.strays(held.runs) == {}


def test_deleting_a_sweep_takes_the_baseline_that_it_alone_needs(tracking: Tracking) -> None:
    held = existing_inventory(tracking)
    going = doomed(held, ["second"])
    assert [run.name for run in going] == ["own", "second-0", "second-1", "second-curve", "second"]
    delete(held, going)
    left = existing_inventory(tracking)
    assert [each.run.name for each in left.sweeps] == ["first"]
    assert [run.name for run in left.baselines] == ["shared"]
    assert tracking.artifacts is not None
    assert {folder.name for folder in tracking.artifacts.glob("*/*")} == {run.id for run in left.runs} - {
        run.id for run in left.broken_imports
    }


def test_leftovers_are_what_no_command_sees(tracking: Tracking) -> None:
    held = existing_inventory(tracking)
    assert [run.name for run in leftovers(held)] == ["orphan", "half-imported", "marked"]


def test_a_sweep_is_found_by_name_or_id_and_refused_where_that_is_not_one(tracking: Tracking) -> None:
    held = existing_inventory(tracking)
    first = held.find_sweep("first").run
    assert held.find_sweep(first.id).run == first
    assert held.find_sweep("last").run.name == "second"
    with pytest.raises(StoreError, match="there is no sweep 'firsts' in the store; nearest: first"):
        held.find_sweep("firsts")
    MlflowClient(tracking.uri).update_run(held.find_sweep("second").run.id, name="first")
    with pytest.raises(StoreError, match=rf"first is the name of several sweeps(?s:.*){first.id}"):
        existing_inventory(tracking).find_sweep("first")


def test_what_dead_processes_left_running_is_ended_and_what_is_at_work_is_not_deleted(tracking: Tracking) -> None:
    client = MlflowClient(tracking.uri)
    held = existing_inventory(tracking)
    job, curve = held.find_sweep("first").parts
    client.update_run(job.id, status="RUNNING")
    client.update_run(curve.id, status="RUNNING")
    client.set_tag(curve.id, "process.pid", DEAD["process.pid"])
    held = existing_inventory(tracking)
    assert held.at_work is not None
    assert held.at_work.id == job.id
    with pytest.raises(StoreError, match="sweep first is refused: job first-0 is still running"):
        doomed(held, ["first"])
    assert held.close_abandoned() == 2  # the half-imported job, too
    assert [run.status for run in existing_inventory(tracking).find_sweep("first").parts] == ["RUNNING", "KILLED"]
