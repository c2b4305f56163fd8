"""A sweep taken from one store into another: the same digits, resumable, whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from tests.cli.archives import archive as archive
from tests.cli.archives import store
from tests.conftest import SMALL, Outcome, Project, in_process, new_project, quick
from tests.tracking.test_outage import start, stop

from prunelab.cli.report import main as report
from prunelab.tracking import importing

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-c", "from prunelab.cli.store import main; main()")
SWEEP = ("-m", *SMALL, "method=weight,neuron", "percentage=0,50,99")


def values(project: Project) -> list[tuple[object, ...]]:
    """All parameters and all metrics with their history, of all runs by kind and name."""
    runs = (
        "from {0} v join runs r using (run_uuid) join tags k using (run_uuid) "
        "where k.key = 'kind' and lifecycle_stage = 'active' order by k.value, name, v.key"
    )
    with closing(sqlite3.connect(project.database)) as connection:
        return [
            *connection.execute(
                "select k.value, name, status, v.key, v.value, is_nan, step, timestamp "
                + runs.format("metrics")
                + ", step, timestamp"
            ),
            *connection.execute("select k.value, name, start_time, end_time, v.key, v.value " + runs.format("params")),
        ]


def files(project: Project) -> dict[str, bytes]:
    """Every artifact but those that name runs by their ids, by the run's name and its path."""
    return {
        f"{run.info.run_name}/{path.relative_to(project.artifact(run, '.')).as_posix()}": path.read_bytes()
        for kind in ("baseline", "job", "sweep")
        for run in project.runs(kind)
        for path in project.artifact(run, ".").rglob("*")
        if path.is_file() and path.name not in ("results.csv", "report.html")
    }


def test_an_imported_sweep_has_every_value_and_every_file_and_refers_to_runs_of_its_new_store(
    swept: tuple[Project, Outcome], archive: Path, project: Project
) -> None:
    outcome = store(project, "import", str(archive))
    assert outcome.status == 0, outcome.output
    assert values(project) == values(swept[0])
    assert files(project) == files(swept[0])
    old = {run.info.run_id for kind in ("job", "sweep", "baseline", "curve") for run in swept[0].runs(kind)}
    (sweep,), (baseline,) = project.runs("sweep"), project.runs("baseline")
    table = pd.read_csv(project.artifact(sweep, "results.csv"))
    assert set(table["run_id"]) == {run.info.run_id for run in project.runs("job")}
    for job in project.runs("job"):
        assert job.data.tags["mlflow.parentRunId"] == sweep.info.run_id
        assert job.data.tags["baseline_run_id"] == baseline.info.run_id
        assert job.inputs.dataset_inputs[0].dataset.name == "digits"
    text = " ".join(
        value
        for kind in ("job", "sweep", "curve")
        for run in project.runs(kind)
        for key, value in run.data.tags.items()
        if key != "imported_from"
    )
    assert not [run_id for run_id in old if run_id in text]
    assert store(project, "check").status == 0


def test_an_imported_sweep_is_reported_with_the_same_digits_and_a_second_import_is_refused(
    swept: tuple[Project, Outcome], archive: Path, project: Project
) -> None:
    assert store(project, "import", str(archive)).status == 0
    assert in_process("prunelab-report", report, project.folder, "data=digits").status == 0
    theirs, ours = (
        pd.read_csv(each.artifact(each.runs("sweep")[0], "results.csv")).drop(columns="run_id")
        for each in (swept[0], project)
    )
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    before = values(project)
    for each in (project, swept[0]):
        outcome = store(each, "import", str(archive))
        assert outcome.status == 2
        assert "is in the store already" in outcome.output
    assert values(project) == before


def test_an_interrupted_sweep_is_finished_in_the_store_it_was_imported_into(
    project: Project, tmp_path: Path, empty_store: Path
) -> None:
    assert project.prunelab(*SWEEP).status == 0
    (sweep,) = project.runs("sweep")
    whole = project.runs("job")
    for job in whole[3:]:
        project.client.delete_run(job.info.run_id)
    project.client.set_terminated(sweep.info.run_id, "KILLED")
    (tmp_path / "other").mkdir()
    other = new_project(tmp_path / "other", empty_store)
    assert store(project, "export", "last", str(tmp_path / "part.zip")).status == 0
    assert store(other, "import", str(tmp_path / "part.zip")).status == 0
    outcome = other.prunelab(*SWEEP, "resume=last")
    assert outcome.status == 0, outcome.output
    assert "3 of 6 jobs are done" in outcome.output
    assert "1 there already" in outcome.output
    other.assert_whole(jobs=6, trainings=1)
    accuracy = {job.data.tags["config_hash"]: job.data.metrics["test/loss"] for job in other.runs("job")}
    assert accuracy == {job.data.tags["config_hash"]: job.data.metrics["test/loss"] for job in whole}


def test_a_baseline_that_is_there_to_the_last_bit_is_used_and_not_imported_again(
    archive: Path, project: Project
) -> None:
    assert project.prunelab(*SMALL, "percentage=20").status == 0
    (own,) = project.runs("baseline")
    assert store(project, "import", str(archive)).status == 0
    assert [run.info.run_id for run in project.runs("baseline")] == [own.info.run_id]
    assert {job.data.tags["baseline_run_id"] for job in project.runs("job")} == {own.info.run_id}


@pytest.mark.cluster
def test_a_sweep_goes_to_a_server_and_back(
    swept: tuple[Project, Outcome], archive: Path, tmp_path: Path, empty_store: Path, project: Project
) -> None:
    from tests.server import free_port

    served = tmp_path / "served"
    served.mkdir()
    shutil.copy(empty_store, served / "mlflow.db")
    port = free_port()
    server = start(served, port)
    try:
        there = ("tracking=server", f"tracking.uri=http://127.0.0.1:{port}")
        outcome = store(project, "import", str(archive), *there)
        assert outcome.status == 0, outcome.output
        assert store(project, "export", "last", str(tmp_path / "back.zip"), *there).status == 0
    finally:
        stop(server)
    outcome = store(project, "import", str(tmp_path / "back.zip"))
    assert outcome.status == 0, outcome.output
    assert values(project) == values(swept[0])
    assert files(project) == files(swept[0])


def rows(project: Project) -> int:
    with closing(sqlite3.connect(project.database)) as connection:
        return int(connection.execute("select count(*) from runs").fetchone()[0])


@pytest.mark.parametrize("moment", quick(["_fill", "_show", "_compare"], "_show"))
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is full")])
def test_an_import_that_is_interrupted_or_fails_leaves_nothing_behind(
    moment: str, error: BaseException, archive: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = getattr(importing, moment), [4]

    def fails(*arguments: Any) -> None:
        real(*arguments)
        left[0] -= 1
        if moment == "_compare" or not left[0]:
            raise error

    monkeypatch.setattr(importing, moment, fails)
    outcome = store(project, "import", str(archive))
    assert outcome.status == (130 if isinstance(error, KeyboardInterrupt) else 2)
    assert ("failed and was undone: the disk is full" in outcome.output) == isinstance(error, OSError)
    assert rows(project) == 0
    assert list((project.folder / "mlruns/artifacts/digits-pruning").glob("*")) == []
    monkeypatch.undo()
    assert store(project, "import", str(archive)).status == 0
    assert store(project, "check").status == 0


def test_what_a_killed_import_leaves_is_no_sweep_is_found_and_goes_with_the_next_import(
    archive: Path, project: Project
) -> None:
    killed = subprocess.Popen([*COMMAND, "import", str(archive)], cwd=project.folder)
    deadline = time.monotonic() + 400
    while rows(project) < 5:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert rows(project) > 0
    assert project.runs("sweep") == []
    outcome = store(project, "check")
    assert outcome.status == 1
    assert "an import of it was interrupted" in " ".join(outcome.output.split())
    assert store(project, "import", str(archive)).status == 0
    assert rows(project) == 10
    assert store(project, "check").status == 0


def test_export_refuses_what_is_running_damaged_or_would_overwrite(
    swept: tuple[Project, Outcome], tmp_path: Path
) -> None:
    shutil.copytree(swept[0].folder, tmp_path / "copy")
    project = Project(tmp_path / "copy")
    store(project, "list")
    target = tmp_path / "out" / "sweep.zip"
    target.parent.mkdir()
    network = project.artifact(project.runs("job")[1], "network.safetensors")
    content = network.read_bytes()

    def refused(words: str) -> None:
        outcome = store(project, "export", "last", str(target))
        assert outcome.status == 2
        assert words in " ".join(outcome.output.split())
        assert list(target.parent.iterdir()) == []

    network.write_bytes(content[:-1] + b"!")
    refused("network.safetensors is damaged")
    network.unlink()
    network.symlink_to("/etc/passwd")
    refused("a link that leads out")
    network.unlink()
    network.write_bytes(content)
    job = project.runs("job")[0]
    MlflowClient(f"sqlite:///{project.database}").update_run(job.info.run_id, status="RUNNING")
    refused("is still running")
    project.client.set_terminated(job.info.run_id, "FINISHED")
    target.write_text("mine")
    outcome = store(project, "export", "last", str(target))
    assert outcome.status == 2
    assert "it is there already" in outcome.output
    assert target.read_text() == "mine"
