"""A job is found by its run id or its name, and what cannot be taken for one is refused in words."""

from __future__ import annotations

import pytest
from tests.conftest import Project

from prunelab import names
from prunelab.compose import compose_job
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.tracking.find import find_job
from prunelab.tracking.opening import open_store
from prunelab.tracking.store import Store


@pytest.fixture
def store(store: Store) -> Store:
    """Two finished jobs of one name, then one that failed; a job whose name has a quote; a baseline."""
    for name, status in (("weight-50", "FINISHED"), ("weight-50", "FINISHED"), ("weight-50", "FAILED")):
        store.end(store.start(Kind.JOB, name, tags={names.CONFIG_HASH: "the same"}), status)
    store.end(store.start(Kind.JOB, "it's-20"), "FAILED")
    store.end(store.start(Kind.BASELINE, "baseline-0"), "FINISHED")
    return store


def test_a_job_is_found_by_its_run_id_or_as_the_newest_finished_of_its_name(store: Store) -> None:
    failed, newest, oldest = store.find(Kind.JOB, name="weight-50")
    assert find_job(store, oldest.id).id == oldest.id
    assert find_job(store, "weight-50").id == newest.id
    assert find_job(store, "weight-50", finished=False).id == failed.id
    assert find_job(store, "last").id == newest.id


def test_a_name_of_different_jobs_is_refused_with_all_of_them_and_what_tells_them_apart(store: Store) -> None:
    ids = []
    for number in range(2):
        record = store.start(Kind.JOB, "neuron-20", tags={names.CONFIG_HASH: str(number)})
        record.params({"recovery": "none", "seed": number, "batch_size": 64, "epochs": 3 + number})
        store.end(record, "FINISHED")
        ids.append(record.id)
    with pytest.raises(StoreError) as refused:
        find_job(store, "neuron-20")
    head, *candidates = str(refused.value).splitlines()
    assert "neuron-20 is the name of several jobs" in head
    assert [line.split()[0] for line in candidates] == ids[::-1]
    assert "recovery none, seed 1, epochs 4" in candidates[0]
    assert "batch_size" not in str(refused.value)
    store.client.set_tag(ids[1], names.CONFIG_HASH, "0")  # the same job once more: the newest stands for both
    assert find_job(store, "neuron-20").id == ids[1]


def test_a_name_that_a_sweep_over_seeds_made_longer_is_refused_with_the_longer_ones(store: Store) -> None:
    for seed in range(2):
        record = store.start(Kind.JOB, f"weight-90-seed{seed}", tags={names.CONFIG_HASH: f"seed {seed}"})
        record.params({"seed": seed})
        store.end(record, "FINISHED")
    with pytest.raises(StoreError, match=r"no job 'weight-90', but others(?s:.*)weight-90-seed1(?s:.*)weight-90-seed0"):
        find_job(store, "weight-90")
    assert find_job(store, "weight-90-seed0").name == "weight-90-seed0"


def test_a_name_may_hold_a_quote(store: Store) -> None:
    assert find_job(store, "it's-20", finished=False).name == "it's-20"


def test_what_is_no_job_unfinished_or_unknown_is_refused_in_words(store: Store) -> None:
    failed = store.find(Kind.JOB, "FAILED", name="weight-50")[0].id
    baseline = store.find(Kind.BASELINE)[0].id
    deleted = store.find(Kind.JOB, "FINISHED")[-1].id
    store.delete(deleted)
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
