"""`prunelab-store` on a real store that is really broken: what it says, what it deletes, what it leaves alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import Run
from rich.filesize import decimal
from tests.conftest import SMALL, Outcome, Project, in_process

from prunelab.cli.store import main

DEAD = "999999999"


@pytest.fixture
def project(swept: tuple[Project, Outcome], tmp_path: Path) -> Project:
    """A project of this test's own with one sweep of six jobs in it."""
    shutil.copytree(swept[0].folder, tmp_path / "project")
    store(Project(tmp_path / "project"), "list")
    return Project(tmp_path / "project")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def store(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-store", main, project.folder, *arguments)


def rows(project: Project) -> int:
    with closing(sqlite3.connect(project.database)) as connection:
        return int(connection.execute("select count(*) from runs").fetchone()[0])


def folders(project: Project) -> set[str]:
    return {folder.name for folder in (project.folder / "mlruns/artifacts/digits-pruning").iterdir()}


def job(project: Project, name: str) -> Run:
    return next(run for run in project.runs("job") if run.info.run_name == name)


def test_list_and_size_show_the_sweep_with_its_jobs_and_the_bytes_that_are_on_disk(project: Project) -> None:
    (sweep,) = project.runs("sweep")
    listed = store(project, "list").output
    assert sweep.info.run_name in listed
    assert "6 FINISHED" in listed
    assert "1 baselines" in listed
    own = [folder for folder in (project.folder / "mlruns/artifacts").rglob("*") if folder.is_file()]
    total = sum(path.stat().st_size for path in own)
    assert decimal(total) in store(project, "size").output


def test_a_whole_store_passes_the_check(project: Project) -> None:
    outcome = store(project, "check")
    assert outcome.status == 0, outcome.output
    assert "nothing is wrong" in outcome.output


@pytest.mark.parametrize("quick", [(), ("--quick",)], ids=["thorough", "quick"])
def test_a_missing_network_is_found(quick: tuple[str, ...], project: Project) -> None:
    project.artifact(job(project, "weight-50"), "network.safetensors").unlink()
    outcome = store(project, "check", *quick)
    assert outcome.status == 1
    assert "missing" in outcome.output
    assert "weight-50" in outcome.output


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("job", "network.safetensors"),
        ("job", "kept.safetensors"),
        ("baseline", "checkpoint/best.ckpt"),
        ("job", "environment.json"),
        ("sweep", "plan.json"),
        ("sweep", "report.html"),
    ],
)
def test_damage_is_found_and_named(kind: str, path: str, project: Project) -> None:
    artifact = project.artifact(project.runs(kind)[0], path)
    content = artifact.read_bytes()
    if path.endswith((".safetensors", ".ckpt")):
        middle = len(content) - 100
        artifact.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert store(project, "check", "--quick").status == 0, "one bit is not seen without reading"
    else:
        artifact.write_bytes(content[: len(content) // 2] if path.endswith(".json") else b"")
    outcome = store(project, "check")
    assert outcome.status == 1
    assert "damaged" in outcome.output
    assert path in outcome.output


def test_a_damaged_database_is_found(project: Project) -> None:
    with closing(sqlite3.connect(project.database)) as connection:
        (page,) = connection.execute("select rootpage from sqlite_master where name = 'metrics'").fetchone()
        (size,) = connection.execute("pragma page_size").fetchone()
    with project.database.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    outcome = store(project, "check")
    assert outcome.status != 0
    assert "database" in outcome.output


def test_a_sweep_is_deleted_with_its_jobs_curves_artifacts_and_the_baseline_nobody_needs(project: Project) -> None:
    (sweep,) = project.runs("sweep")
    size = project.database.stat().st_size
    outcome = store(project, "delete", sweep.info.run_name, "--yes")
    assert outcome.status == 0, outcome.output
    assert "6 jobs, 2 curves, 1 sweep" in outcome.output
    assert rows(project) == 0
    assert folders(project) <= {"models"}
    assert project.database.stat().st_size <= size
    assert store(project, "check").status == 0
    experiment = project.client.get_experiment_by_name("digits-pruning")
    assert experiment is not None
    assert "mlflow.sharedViewState.prunelab-comparison" not in experiment.tags


def test_a_baseline_that_another_sweep_needs_stays_and_the_comparison_shows_what_is_left(project: Project) -> None:
    (first,) = project.runs("sweep")
    assert project.prunelab("-m", *SMALL, "percentage=0,70").status == 0
    second = project.runs("sweep")[1]
    outcome = store(project, "delete", second.info.run_name, "--yes")
    assert outcome.status == 0, outcome.output
    assert [run.info.run_id for run in project.runs("sweep")] == [first.info.run_id]
    assert len(project.runs("baseline")) == 1
    experiment = project.client.get_experiment_by_name("digits-pruning")
    assert experiment is not None
    assert first.info.run_id in experiment.tags["mlflow.sharedViewState.prunelab-comparison"]
    assert store(project, "check").status == 0


def test_nothing_is_deleted_unasked_or_of_a_sweep_that_runs(project: Project) -> None:
    (sweep,) = project.runs("sweep")
    before = rows(project)
    assert "confirm with --yes" in store(project, "delete", "last").output
    running = job(project, "weight-50")
    project.client.update_run(running.info.run_id, status="RUNNING")  # by this very process
    outcome = store(project, "delete", "last", "--yes")
    assert outcome.status == 2
    assert f"still running (process {os.getpid()}" in outcome.output
    assert "there is no sweep 'none'" in store(project, "delete", "none").output
    assert rows(project) == before
    assert len(folders(project)) >= before - 2  # curves have no artifacts
    assert sweep.info.run_id in folders(project)


def test_what_mlflows_own_deletion_leaves_is_found_and_removed(project: Project) -> None:
    (sweep,) = project.runs("sweep")
    project.client.delete_run(sweep.info.run_id)
    stray = project.folder / "mlruns/artifacts/digits-pruning/0123456789abcdef/artifacts"
    stray.mkdir(parents=True)
    (stray / "lost.bin").write_bytes(b"x" * 1000)
    outcome = store(project, "check")
    assert outcome.status == 1
    assert outcome.output.count("orphan ") == 8  # six jobs, two curves
    assert "stray folder" in outcome.output
    assert "only marked as deleted" in outcome.output
    outcome = store(project, "delete", "--leftovers", "--yes")
    assert outcome.status == 0, outcome.output
    assert rows(project) == 0
    assert folders(project) <= {"models"}
    assert store(project, "check").status == 0


def test_runs_of_dead_processes_are_found_and_closed(project: Project) -> None:
    run = job(project, "weight-50")
    project.client.update_run(run.info.run_id, status="RUNNING")
    project.client.set_tag(run.info.run_id, "process.pid", DEAD)
    outcome = store(project, "check")
    assert outcome.status == 1
    assert "abandoned" in outcome.output
    assert "marked 1 runs as KILLED" in store(project, "check", "--close").output
    assert project.client.get_run(run.info.run_id).info.status == "KILLED"
    assert store(project, "check").status == 0


@pytest.mark.slow
@pytest.mark.parametrize("keep", [pytest.param((), id="moved"), pytest.param(("--keep",), id="copied")])
def test_relocate_moves_a_store_that_works_at_its_new_place(
    keep: tuple[str, ...], project: Project, tmp_path: Path
) -> None:
    target = tmp_path / "new" / "place"
    outcome = store(project, "relocate", str(target), "--yes", *keep)
    assert outcome.status == 0, outcome.output
    assert project.database.exists() == bool(keep)
    here = f"paths.store={target}"
    assert store(project, "check", here).status == 0
    again = project.prunelab("-m", *SMALL, "percentage=0,50", here)
    assert again.status == 0, again.output
    assert "0 to train, 1 there already" in again.output
    assert len(list(target.glob("artifacts/digits-pruning/*"))) > len(folders(project) if keep else [])


def test_relocate_takes_no_folder_that_holds_something(project: Project, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    outcome = store(project, "relocate", str(tmp_path / "full"), "--yes")
    assert outcome.status == 2
    assert "a new or empty folder" in outcome.output
    assert project.database.exists()


def test_artifacts_outside_of_the_root_are_never_deleted(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.folder, tmp_path / "database only")
    shutil.rmtree(tmp_path / "database only/mlruns/artifacts")
    copy = Project(tmp_path / "database only")
    before = folders(project)
    outcome = store(copy, "delete", "last", "--yes")
    assert outcome.status == 0, outcome.output
    assert "artifacts outside of tracking.artifacts stay" in outcome.output
    assert folders(project) == before


def test_a_store_that_is_not_there_is_refused_and_not_created(tmp_path: Path) -> None:
    for command in ("list", "size", "check", "relocate"):
        outcome = store(Project(tmp_path), command)
        assert outcome.status == 2
        assert "there is no store" in outcome.output
    assert list(tmp_path.iterdir()) == []
