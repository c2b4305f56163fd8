"""A recorded sweep read back: its rows are what its jobs recorded, and a job that cannot be one is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.conftest import Outcome, Project

from prunelab import names
from prunelab.compose import compose_job
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.sweep.results import read_provenance, read_results
from prunelab.tracking.opening import existing_store
from prunelab.tracking.run import SweepRuns
from prunelab.tracking.store import Store


@pytest.fixture
def recorded(swept: tuple[Project, Outcome], monkeypatch: pytest.MonkeyPatch) -> tuple[Store, SweepRuns]:
    monkeypatch.chdir(swept[0].folder)
    job = compose_job(["data=digits"])
    store = existing_store(job.tracking, job.experiment_name)
    return store, store.sweep(store.find(Kind.SWEEP)[0].id)


def test_each_finished_job_is_a_row_with_what_it_recorded(recorded: tuple[Store, SweepRuns]) -> None:
    results = read_results(*recorded)
    jobs = {job.id: job for job in recorded[1].jobs}
    assert set(results.rows["run_id"]) == set(jobs)
    for row in results.rows.to_dict("records"):
        job = jobs[str(row["run_id"])]
        assert row["method"] == job.params["method"]
        assert row[names.TEST_ACCURACY] == job.metrics[names.TEST_ACCURACY]
        assert row[names.PERCENTAGE] == float(job.params["percentage"])  # the metric: a parameter is a text


def test_the_training_is_read_by_epoch_from_its_own_run(recorded: tuple[Store, SweepRuns]) -> None:
    store, sweep = recorded
    (baseline,) = {job.baseline for job in sweep.jobs}
    assert read_results(store, sweep).curves == {
        baseline: {metric: store.history(str(baseline), metric) for metric in names.OF_EPOCHS}
    }


def test_of_a_job_that_was_tried_twice_the_newest_that_finished_counts(recorded: tuple[Store, SweepRuns]) -> None:
    store, sweep = recorded
    job = sweep.jobs[0]
    better = replace(job, id="b" * 32, metrics={**job.metrics, names.TEST_ACCURACY: 1.0})
    failed = replace(job, id="c" * 32, status="FAILED")
    rows = read_results(store, replace(sweep, parts=(*sweep.parts, better, failed))).rows
    assert len(rows) == len(sweep.jobs)
    assert "b" * 32 in set(rows["run_id"])


@pytest.mark.parametrize(
    ("metrics", "words"),
    [({names.TEST_LOSS: None}, f"is FINISHED without {names.TEST_LOSS}"), ({names.VAL_ACCURACY: 1.5}, "not in")],
)
def test_a_job_that_cannot_be_one_of_a_sweep_is_refused_by_name(
    metrics: dict[str, float | None], words: str, recorded: tuple[Store, SweepRuns]
) -> None:
    store, sweep = recorded
    changed = {name: value for name, value in {**sweep.jobs[0].metrics, **metrics}.items() if value is not None}
    bad = replace(sweep.jobs[0], metrics=changed)
    with pytest.raises(StoreError, match=rf"{bad.name} .*{words}"):
        read_results(store, replace(sweep, parts=(bad, *sweep.jobs[1:])))
    with pytest.raises(StoreError, match="no finished job"):
        read_results(store, replace(sweep, parts=(replace(bad, status="FAILED"),)))


def test_what_exactly_was_run_is_read_and_what_the_store_lacks_is_left_empty(
    recorded: tuple[Store, SweepRuns],
) -> None:
    store, sweep = recorded
    found = read_provenance(store, sweep)
    assert "method=weight,neuron" in found.overrides
    assert "epochs: 2" in found.config
    assert found.versions["torch"]
    assert found.data[0].name == "digits"
    nowhere = replace(sweep, parts=tuple(replace(job, id="d" * 32) for job in sweep.jobs))
    assert read_provenance(store, nowhere).config == ""
