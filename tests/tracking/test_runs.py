"""A run is closed whatever ends it."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from tests.conftest import Project

from prunelab.compose import compose_job
from prunelab.names import Kind
from prunelab.tracking.opening import open_store
from prunelab.tracking.store import Store


@pytest.fixture
def store(project: Project, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(project.folder)
    job = compose_job(["data=digits"])
    return open_store(job.tracking, job.experiment_name)


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
