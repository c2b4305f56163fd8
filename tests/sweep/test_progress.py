"""The watcher reports each job once, and does not read again what it has reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunelab import names
from prunelab.names import Kind
from prunelab.sweep import progress
from prunelab.sweep.progress import Progress, Watcher
from prunelab.tracking.store import Store


def job(store: Store, sweep: str, number: int, ended: int) -> None:
    run = store.start(Kind.JOB, f"weight-{number}", sweep, {names.CONFIG_HASH: str(number)})
    run.metrics({names.TEST_ACCURACY: 0.5, names.TEST_LOSS: 1.0, names.VAL_ACCURACY: 0.6, names.VAL_LOSS: 0.9})
    run.flush()
    store.client.set_terminated(run.id, "FINISHED", ended)


def test_a_look_reads_only_the_jobs_that_ended_since_the_last_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "prunelab")
    sweep, hour = store.start(Kind.SWEEP, "sweep").id, 3_600_000
    read: list[int] = []
    original = Store.children

    def children(*arguments: object, **named: object) -> list[object]:
        found = original(*arguments, **named)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    monkeypatch.setattr(Store, "children", children)
    watcher = Watcher(store, sweep, Progress({}, 7))
    for number in range(5):
        job(store, sweep, number, hour)
    watcher._look()
    job(store, sweep, 5, 2 * hour)
    watcher._look()
    watcher._look()
    job(store, sweep, 6, 2 * hour - progress.OVERLAP // 2)  # by a worker whose clock is behind
    watcher._look()
    assert read == [0, 5, 6, 1, 2]
    output = caplog.text
    assert [output.count(f"weight-{number} ") for number in range(7)] == [1] * 7


@pytest.mark.parametrize(("total", "said"), [(1, "accuracy 0.5000   loss  1.0"), (None, "validation accuracy 0.6000")])
def test_an_adaptive_sweep_says_the_accuracy_by_which_it_chooses(
    total: int | None, said: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "prunelab")
    sweep = store.start(Kind.SWEEP, "sweep").id
    watcher = Watcher(store, sweep, Progress({}, total))
    job(store, sweep, 1, 3_600_000)
    watcher._look()
    assert f"  {said}" in caplog.text


def test_a_job_whose_clock_is_far_behind_is_reported_at_the_end(
    store: Store, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO", "prunelab")
    sweep, hour = store.start(Kind.SWEEP, "sweep").id, 3_600_000
    watcher = Watcher(store, sweep, Progress({}, 2))
    watcher.start()
    job(store, sweep, 1, 2 * hour)
    watcher._look()
    job(store, sweep, 2, hour)
    watcher.stop()
    output = caplog.text
    assert output.count("weight-1") == output.count("weight-2") == 1
