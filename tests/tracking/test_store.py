"""An experiment of a real store: runs are ended whatever happens, found and read as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy.event
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlDataset

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.recorder import Recorder
from prunelab.tracking.store import Store

DEAD = {"process.pid": "999999999"}


def test_an_interrupted_run_is_killed_and_the_interrupt_goes_on(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.run(Kind.JOB, "job") as run:
        raise KeyboardInterrupt
    assert store.get(run.id).status == "KILLED"


def test_an_interrupt_goes_on_even_if_the_store_fails_at_that_moment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise MlflowException("the transaction was interrupted")

    monkeypatch.setattr(Store, "end", broken)
    with pytest.raises(KeyboardInterrupt), store.run(Kind.JOB, "job"):
        raise KeyboardInterrupt


def test_a_run_that_cannot_be_finished_is_failed_and_the_reserved_room_is_freed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = store.tracking.locks / "reserve"
    assert reserve.stat().st_size == 512 * 1024
    recorder = store.start(Kind.JOB, "job")

    def full(recorder: Recorder, status: str) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr(Recorder, "end", full)
    with pytest.raises(OSError, match="disk is full"):
        store.end(recorder, "FINISHED")
    assert store.get(recorder.id).status == "FAILED"
    assert not reserve.exists()


def test_two_processes_may_log_a_new_data_set_at_the_same_time(store: Store) -> None:
    """Between MLflow's look for the data set and its insertion, the other process logs it."""
    data_set = ("digits", "0123456789", "scikit-learn")
    others: list[str] = []

    def other_process(*event: object) -> None:
        if not others:
            with store.run(Kind.JOB, "other") as other:
                others.append(other.id)
                other.dataset(*data_set)

    sqlalchemy.event.listen(SqlDataset, "before_insert", other_process)
    try:
        with store.run(Kind.JOB, "first") as first:
            first.dataset(*data_set)
    finally:
        sqlalchemy.event.remove(SqlDataset, "before_insert", other_process)
    logged = [store.get(run.id).data_sets[0] for run in store.find(Kind.JOB)]
    assert [each.name for each in logged] == ["digits", "digits"]


def test_everything_that_is_written_is_read_back(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    with store.run(Kind.JOB, "weight-50", parent="a sweep", tags={"note": "for you"}) as recorder:
        recorder.params({f"param {number}": number for number in range(150)})  # more than one request takes
        recorder.metrics({f"metric {number}": number / 3 for number in range(1500)})
        recorder.metrics({"metric 0": 7.0}, step=2)
        recorder.tags({"password": "http://me:secret@host"})
        recorder.dataset("digits", "0123456789" * 6, "scikit-learn")
        recorder.files({"a/text": "http://me:secret@host", names.NETWORK_FILE: b"\0\1", "copy": tmp_path / "file"})
    run = store.get(recorder.id)
    assert (run.name, run.kind, run.status, run.sweep) == ("weight-50", "job", "FINISHED", "a sweep")
    assert run.params == {f"param {number}": str(number) for number in range(150)}
    assert run.metrics == {f"metric {number}": number / 3 for number in range(1500)} | {"metric 0": 7.0}
    assert store.history(run.id, "metric 0") == {0: 0.0, 2: 7.0}
    assert run.tags["note"] == "for you"
    assert run.tags["password"] == "http://me:***@host"
    assert (run.data_sets[0].name, run.digest) == ("digits", ("0123456789" * 6)[:36])
    assert store.read(run.id, "a/text") == b"http://me:***@host"
    assert store.read(run.id, "copy") == b"a file"
    assert run.tags["network_sha256"] == "b413f47d13ee2fe6c845b2ee141af81de858df4ec549a58b7970bb96645bc8d2"
    assert run.started <= (run.ended or 0)
    assert str(run) == f"job weight-50 (run {run.id})"


def test_jobs_are_found_by_sweep_status_and_end_newest_first(store: Store) -> None:
    sweep = store.start(Kind.SWEEP, "sweep")
    jobs = []
    for number, status in enumerate(("FINISHED", "FAILED", "FINISHED")):
        jobs.append(store.start(Kind.JOB, f"job-{number}", parent=sweep.id, tags={names.CONFIG_HASH: str(number % 2)}))
        store.end(jobs[-1], status)
    store.end(store.start(Kind.JOB, "another sweep's", parent="another"), "FINISHED")
    first, second, third = (store.get(job.id) for job in jobs)
    assert store.children(sweep.id) == [third, second, first]
    assert store.children(sweep.id, "FINISHED") == [third, first]
    assert first not in store.children(sweep.id, ended_since=(first.ended or 0) + 1)
    found = store.sweep(sweep.id)
    assert found.jobs == [first, second, third]
    assert found.finished == [third]  # of the same configuration as the first
    store.delete(third.id)
    assert store.sweep(sweep.id).jobs == [first, second]
    assert store.look_up(third.id) is None


def test_what_is_not_there_is_refused_by_name(store: Store) -> None:
    run = store.start(Kind.JOB, "job")
    with pytest.raises(StoreError, match="there is no run 0123"):
        store.get("0123")
    with pytest.raises(StoreError, match=rf"run {run.id} has no readable artifact a/b"):
        store.read(run.id, "a/b")


def test_runs_of_dead_processes_are_abandoned_and_can_be_ended_or_reopened(store: Store) -> None:
    alive, dead = store.start(Kind.SWEEP, "alive"), store.start(Kind.SWEEP, "dead", tags=DEAD)
    assert [store.get(run.id).is_at_work for run in (alive, dead)] == [True, False]
    assert [store.get(run.id).is_abandoned for run in (alive, dead)] == [False, True]
    store.kill(dead.id, "its process was gone")
    killed = store.get(dead.id)
    assert (killed.status, killed.is_abandoned) == ("KILLED", False)
    assert killed.tags[names.NOTE] == "**Killed**: its process was gone"
    store.reopen(dead.id)
    assert store.get(dead.id).is_at_work
    store.fail(dead.id, "lost")
    assert (store.get(dead.id).status, store.get(dead.id).tags[names.NOTE]) == ("FAILED", "**Failed**: lost")
