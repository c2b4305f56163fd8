"""`prunelab-report`: one sweep drawn again, several compared, and what cannot be reported refused in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import SMALL, Outcome, Project, in_process, new_project, nothing_drawn

from prunelab.cli.report import main


def report(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-report", main, project.folder, "data=digits", *arguments)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """Two sweeps with a method in common, on different splits and so with different unpruned networks."""
    project = new_project(tmp_path_factory.mktemp("two"), empty_store)
    long = ("training.epochs=8", "training.learning_rate=0.01")
    for extra in (("method=weight,neuron", "name=first"), ("method=weight", "name=second", "data.split_seed=1")):
        with nothing_drawn():
            outcome = project.prunelab("-m", *SMALL, *long, *extra, "percentage=0,50,100")
        assert outcome.status == 0, outcome.output
    return project


def names(project: Project) -> list[str]:
    return [sweep.info.run_name for sweep in project.runs("sweep")]


def test_several_sweeps_are_compared_in_a_folder_and_their_runs_left_alone(two: Project) -> None:
    first, second = names(two)
    before = two.database.read_bytes()
    outcome = report(two, first, second)
    assert outcome.status == 0, outcome.output
    assert two.database.read_bytes() == before
    folder = two.folder / "comparison"
    rows = pd.read_csv(folder / "results.csv")
    assert rows.groupby("sweep").size().to_dict() == {first: 6, second: 3}
    for figure in ("accuracy", "loss", "survivors", "parameters"):
        assert (folder / f"figures/{figure}.png").read_bytes().startswith(b"\x89PNG")
    for text in (outcome.output, (folder / "comparison.md").read_text()):
        assert f"weight, {first}" in text
        assert f"weight, {second}" in text
        assert "neuron: " in text  # in one sweep alone, so it needs no sweep to tell it by
        assert f"The unpruned network, {first}: test accuracy" in text
        assert f"The unpruned network, {second}: test accuracy" in text
        assert "data.split_seed" in text
        assert "training.epochs" not in text


@pytest.mark.slow
def test_an_earlier_comparison_is_replaced_and_nothing_else(two: Project) -> None:
    folder = two.folder / "mine"
    assert report(two, *names(two), "--output", str(folder)).status == 0
    (folder / "notes.txt").write_text("my own")
    (folder / "comparison.json").write_text('{"files": ["figures/loss.png", "figures/gone.png", "../outside.txt"]}')
    (folder / "figures/gone.png").write_text("of the earlier one")
    (two.folder / "outside.txt").write_text("not ours")
    outcome = report(two, *names(two), f"--output={folder}")
    assert outcome.status == 0, outcome.output
    assert (folder / "notes.txt").read_text() == "my own"
    assert (two.folder / "outside.txt").exists()
    assert (folder / "figures/loss.png").exists()
    assert not (folder / "figures/gone.png").exists()


def test_a_folder_of_something_else_is_refused_before_anything_is_drawn(two: Project, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    outcome = report(two, *names(two), "--output", str(tmp_path))
    assert outcome.status == 1
    assert "did not write" in outcome.output
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    outcome = report(two, *names(two), "--output", str(tmp_path / "thesis.tex"))
    assert "it is a file" in outcome.output


def test_a_single_sweep_can_be_written_into_a_folder_too(two: Project, tmp_path: Path) -> None:
    before = two.database.read_bytes()
    assert report(two, names(two)[0], "--output", str(tmp_path / "new" / "folder")).status == 0
    folder = tmp_path / "new" / "folder"
    assert len(pd.read_csv(folder / "results.csv")) == 6
    page = (folder / "report.html").read_text()
    assert "sweeps compared" not in page
    assert '<section id="pictures">' in page
    assert '<section id="provenance">' in page
    assert two.database.read_bytes() == before


def test_the_same_sweep_twice_is_refused(two: Project) -> None:
    outcome = report(two, names(two)[1], "last")
    assert outcome.status == 1
    assert "the same sweep twice" in outcome.output


def test_the_sweeps_of_a_store_are_listed_newest_first(two: Project) -> None:
    outcome = report(two, "--list")
    assert outcome.status == 0
    lines = [line for line in outcome.output.splitlines() if "FINISHED" in line]
    for line, sweep, jobs in zip(lines, reversed(two.runs("sweep")), ("3 of 3", "6 of 6"), strict=True):
        assert sweep.info.run_name in line
        assert sweep.info.run_id in line
        assert jobs in line


def test_the_jobs_of_a_sweep_are_listed_with_what_tells_them_apart(two: Project) -> None:
    outcome = report(two, "--jobs", names(two)[0])
    assert outcome.status == 0
    first = two.runs("sweep")[0].info.run_id
    jobs = [job for job in two.runs("job") if job.data.tags["mlflow.parentRunId"] == first]
    for job in jobs:
        line = next(line for line in outcome.output.splitlines() if job.info.run_id in line)
        assert job.info.run_name in line
        assert f"{job.data.metrics['test/accuracy']:.4f}" in line
    assert len(jobs) == 6


@pytest.mark.usefixtures("unillustrated")
def test_a_sweep_whose_process_is_gone_is_listed_as_that(project: Project) -> None:
    project.prunelab("-m", *SMALL, "percentage=0")
    (sweep,) = project.runs("sweep")
    project.client.update_run(sweep.info.run_id, status="RUNNING")
    assert "process gone" not in report(project, "--list").output
    project.client.set_tag(sweep.info.run_id, "process.pid", "999999999")
    assert "process gone" in report(project, "--list").output


@pytest.mark.usefixtures("unillustrated")
def test_a_sweep_without_a_finished_job_is_refused_and_left_as_it_was(project: Project) -> None:
    project.prunelab("-m", *SMALL, "percentage=0")
    (job,) = project.runs("job")
    project.client.update_run(job.info.run_id, status="FAILED")
    before = project.database.read_bytes()
    for arguments in ((), ("--output", "somewhere")):
        outcome = report(project, *arguments)
        assert outcome.status == 1
        assert "has no finished job" in outcome.output
        assert "Traceback" not in outcome.output
    assert project.database.read_bytes() == before
    assert not (project.folder / "somewhere").exists()


def test_an_experiment_without_a_sweep_is_refused(project: Project) -> None:
    project.prunelab(*SMALL, "percentage=0")
    outcome = report(project)
    assert outcome.status == 1
    assert "there is no sweep in experiment digits-pruning" in outcome.output


@pytest.mark.slow
def test_reporting_takes_none_of_the_seconds_that_torch_takes_to_load(two: Project) -> None:
    probe = "import sys\nfrom prunelab.cli.report import main\nmain()\nprint('LOADED', *sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", probe, "data=digits"],
        cwd=two.folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "mlflow" in loaded
    assert {"torch", "pytorch_lightning", "sklearn"} & loaded == set()
