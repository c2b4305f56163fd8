"""`resume=` runs what is not finished, and nothing else, and refuses to mix sweeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mlflow.entities import Run
from tests.conftest import SMALL, Project, copied, in_process, new_project, nothing_drawn, quick

from prunelab.cli.report import main as report_main

pytestmark = pytest.mark.usefixtures("unillustrated")
SWEEP = ("-m", *SMALL, "method=weight,neuron", "percentage=0,50,90")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """A project in which the sweep was run."""
    project = new_project(tmp_path_factory.mktemp("whole"), empty_store)
    with nothing_drawn():
        assert project.prunelab(*SWEEP).status == 0
    return project


@pytest.fixture
def finished(whole: Project, tmp_path: Path) -> Project:
    """The same, for this test alone."""
    return copied(whole, tmp_path / "finished")


def interrupt_after(project: Project, jobs: int) -> None:
    """The finished sweep as a SIGKILL would have left it: later jobs gone, the last one and the parent RUNNING."""
    client = project.client
    (sweep,) = project.runs("sweep")
    gone = {"process.pid": "999999999"}
    for run in project.runs("job")[jobs + 1 :]:
        client.delete_run(run.info.run_id)
    for run in (project.runs("job")[jobs], sweep):
        client.update_run(run.info.run_id, status="RUNNING")
        for key, value in gone.items():
            client.set_tag(run.info.run_id, key, value)


def done(project: Project) -> list[Run]:
    return [run for run in project.runs("job") if run.info.status == "FINISHED"]


@pytest.mark.parametrize("wanted", quick(["last", "id", "name"], "last"))
def test_only_what_is_not_finished_is_run(wanted: str, finished: Project) -> None:
    interrupt_after(finished, 3)
    (sweep,) = finished.runs("sweep")
    name = {"last": "last", "id": sweep.info.run_id, "name": f"'{sweep.info.run_name}'"}[wanted]
    before = {run.info.run_id for run in done(finished)}
    outcome = finished.prunelab(*SWEEP, f"resume={name}")
    assert outcome.status == 0, outcome.output
    assert "3 of 6 jobs are done" in outcome.output
    assert "[3/3]" in outcome.output
    assert len(done(finished)) == 6
    assert before <= {run.info.run_id for run in done(finished)}
    (sweep,) = finished.runs("sweep")
    assert sweep.info.status == "FINISHED"
    assert len(finished.runs("curve")) == 2
    assert len(finished.artifact(sweep, "results.csv").read_text().splitlines()) == 7
    killed = [run for run in finished.runs("job") if run.info.status == "KILLED"]
    assert len(killed) == 1
    assert "process was gone" in killed[0].data.tags["mlflow.note.content"]


@pytest.mark.slow
def test_a_job_that_is_left_is_called_as_it_was_among_all(project: Project) -> None:
    sweep = ("-m", *SMALL, "percentage=50", "seed=0,1")
    project.prunelab(*sweep)
    project.client.delete_run(project.runs("job")[1].info.run_id)
    outcome = project.prunelab(*sweep, "resume=last")
    assert "[1/1] weight-50-seed1" in outcome.output


def test_reporting_on_a_sweep_whose_process_is_gone_closes_what_it_left_open(finished: Project) -> None:
    interrupt_after(finished, 3)
    outcome = in_process("prunelab-report", report_main, finished.folder, "data=digits")
    assert outcome.status == 0, outcome.output
    assert finished.runs("sweep")[0].info.status == "KILLED"
    assert sorted(run.info.status for run in finished.runs("job")) == ["FINISHED"] * 3 + ["KILLED"]
    assert finished.prunelab(*SWEEP, "resume=last").status == 0
    assert finished.runs("sweep")[0].info.status == "FINISHED"


def test_reporting_on_a_sweep_that_is_still_at_work_leaves_it_running(finished: Project) -> None:
    (sweep,) = finished.runs("sweep")
    finished.client.update_run(sweep.info.run_id, status="RUNNING")
    assert in_process("prunelab-report", report_main, finished.folder, "data=digits").status == 0
    assert finished.runs("sweep")[0].info.status == "RUNNING"


def test_a_finished_sweep_has_nothing_to_resume(finished: Project) -> None:
    outcome = finished.prunelab(*SWEEP, "resume=last")
    assert outcome.status == 0
    assert "6 of 6 jobs are done; to do: 0 jobs" in outcome.output
    assert len(finished.runs("job")) == 6


def test_a_failed_job_is_run_again(project: Project) -> None:
    # The checkpoint folder cannot be read for a while: the job fails, and succeeds when resumed.
    command = ("-m", *SMALL, "percentage=0,50")
    project.prunelab(*command)
    job = project.runs("job")[1]
    project.client.update_run(job.info.run_id, status="FAILED")
    outcome = project.prunelab(*command, "resume=last")
    assert outcome.status == 0
    statuses = [run.info.status for run in project.runs("job")]
    assert statuses == ["FINISHED", "FAILED", "FINISHED"]
    assert project.runs("sweep")[0].data.metrics["jobs/finished"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("training.epochs=3", "training.epochs: recorded 2, now 3"),
        ("percentage=0,50,80", "percentage: recorded 0.0, 50.0, 90.0, now 0.0, 50.0, 80.0"),
        ("method=weight", "method.name: recorded neuron, weight, now weight"),
    ],
)
def test_another_configuration_is_refused_and_the_difference_shown(change: str, said: str, finished: Project) -> None:
    before = finished.database.read_bytes()
    outcome = finished.prunelab(*SWEEP, change, "resume=last")
    assert outcome.status == 1
    assert said in outcome.output
    assert finished.database.read_bytes() == before


def test_a_sweep_that_is_still_at_work_is_left_alone(finished: Project) -> None:
    (sweep,) = finished.runs("sweep")
    finished.client.update_run(sweep.info.run_id, status="RUNNING")
    outcome = finished.prunelab(*SWEEP, "resume=last")
    assert outcome.status == 1
    assert f"still running (process {os.getpid()}" in outcome.output


@pytest.mark.parametrize("wanted", ["last", "nonsense"])
def test_there_must_be_something_to_resume(wanted: str, project: Project, tmp_path: Path) -> None:
    outcome = project.prunelab(*SWEEP, f"resume={wanted}")
    assert outcome.status == 1
    assert "no sweep" in outcome.output
