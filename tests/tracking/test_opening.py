"""A command that reads needs a store that is there: anything else is refused in words, and nothing is created."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import SMALL, Project, in_process

from prunelab.cli.report import main as report_main
from prunelab.compose import compose_job
from prunelab.errors import StoreError
from prunelab.tracking.opening import existing_store


def refused(folder: Path, *overrides: str) -> str:
    """The words in which the store below `folder` is refused."""
    job = compose_job([f"paths.root={folder}", "data=digits", *overrides])
    with pytest.raises(StoreError) as refusal:
        existing_store(job.tracking, job.experiment_name)
    return str(refusal.value)


def set_schema(database: Path, version: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update alembic_version set version_num = ?", (version,))


def test_a_store_that_is_there_is_opened_and_left_as_it_was(project: Project) -> None:
    project.prunelab(*SMALL, "percentage=0")
    before = project.database.read_bytes()
    job = compose_job([f"paths.root={project.folder}", "data=digits"])
    assert existing_store(job.tracking, job.experiment_name).experiment_id
    assert project.database.read_bytes() == before


def test_a_store_that_does_not_exist_is_refused_and_not_created(tmp_path: Path) -> None:
    assert f"there is no store at {tmp_path}/mlruns/mlflow.db" in refused(tmp_path)
    outcome = in_process("prunelab-report", report_main, tmp_path)
    assert outcome.status == 1
    assert "there is no store" in outcome.output
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_the_store_lacks_is_refused_by_name_and_not_created(project: Project) -> None:
    assert "there is no experiment digits-pruning" in refused(project.folder)
    assert "it has: none" in refused(project.folder)
    project.client.create_experiment("mine")
    assert "it has: mine" in refused(project.folder, "tracking.experiment_name=yours")
    assert [e.name for e in project.client.search_experiments()] == ["mine", "Default"]


def test_a_store_of_an_older_mlflow_is_refused_with_the_command_that_upgrades_it(project: Project) -> None:
    set_schema(project.database, "451aebb31d03")  # of MLflow 1.0
    before = project.database.read_bytes()
    words = refused(project.folder)
    assert "schema 451aebb31d03" in words
    assert f"mlflow db upgrade sqlite:///{project.database}" in words
    assert project.database.read_bytes() == before


def test_a_store_of_a_newer_mlflow_is_refused(project: Project) -> None:
    set_schema(project.database, "ffffffffffff")
    assert "newer MLflow" in refused(project.folder)


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be looked at as if it were one" * 20])
def test_a_file_that_is_no_store_is_refused_and_left_alone(content: bytes, project: Project) -> None:
    project.database.write_bytes(content)
    assert "is not an MLflow store" in refused(project.folder)
    assert project.database.read_bytes() == content


def test_a_server_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    words = refused(tmp_path, "tracking=server", "tracking.uri=http://127.0.0.1:9")
    assert "no MLflow server answers" in words
