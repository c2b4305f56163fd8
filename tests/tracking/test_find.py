"""A job is found by its run id or its name, and what cannot be taken for one is refused in words."""

from __future__ import annotations

import pytest
from tests.conftest import Project

from prunelab.compose import compose_job
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.find import find_job
from prunelab.tracking.store import Store, open_store


@pytest.fixture
def store(project: Project) -> Store:
    """Two finished jobs of one name, then one that failed; a job whose name has a quote; a baseline."""
    job = compose_job([f"paths.root={project.folder}", "data=digits"])
    store = open_store(job.tracking, job.experiment_name)
    for name, status in (("weight-50", "FINISHED"), ("weight-50", "FINISHED"), ("weight-50", "FAILED")):
        store.end(store.start(Kind.JOB, name), status)
    store.end(store.start(Kind.JOB, "it's-20"), "FAILED")
    store.end(store.start(Kind.BASELINE, "baseline-0"), "FINISHED")
    return store


def test_a_job_is_found_by_its_run_id_or_as_the_newest_finished_of_its_name(store: Store) -> None:
    failed, newest, oldest = store.find(Kind.JOB, name="weight-50")
    assert find_job(store, oldest.info.run_id).info.run_id == oldest.info.run_id
    assert find_job(store, "weight-50").info.run_id == newest.info.run_id
    assert find_job(store, "weight-50", finished=False).info.run_id == failed.info.run_id
    assert find_job(store, "last").info.run_id == newest.info.run_id


def test_a_name_may_hold_a_quote(store: Store) -> None:
    assert find_job(store, "it's-20", finished=False).info.run_name == "it's-20"


def test_what_is_no_job_unfinished_or_unknown_is_refused_in_words(store: Store) -> None:
    failed = store.find(Kind.JOB, "FAILED", name="weight-50")[0].info.run_id
    baseline = store.find(Kind.BASELINE)[0].info.run_id
    deleted = store.find(Kind.JOB, "FINISHED")[-1].info.run_id
    store.client.delete_run(deleted)
    for wanted, words in {
        failed: "is FAILED, not FINISHED",
        "it's-20": "is FAILED, not FINISHED",
        baseline: "is a baseline",
        "wieght-50": "nearest: weight-50",
        deleted: "there is no job",
        """both ' and \"""": "both kinds of quotes",
    }.items():
        with pytest.raises(StoreError, match=words):
            find_job(store, wanted)


def test_a_store_without_jobs_says_so(project: Project) -> None:
    job = compose_job([f"paths.root={project.folder}", "data=digits"])
    with pytest.raises(StoreError, match="there is no job in experiment digits-pruning"):
        find_job(open_store(job.tracking, job.experiment_name), "weight-50")
