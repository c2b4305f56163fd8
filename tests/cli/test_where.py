"""Where a command looks: in all experiments of the store unless one is named, and at options of one's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from tests.conftest import Outcome, Project, copied, in_process

from prunelab.cli import export, predict, report, reproduce, store, ui
from prunelab.reading import CONF

COMMANDS: dict[str, tuple[Callable[[], None], str]] = {
    "prunelab-report": (report.main, "last"),
    "prunelab-export": (export.main, "last"),
    "prunelab-predict": (predict.main, "last digit.png"),
    "prunelab-reproduce": (reproduce.main, "last"),
    "prunelab-store": (store.main, "list"),
    "prunelab-ui": (ui.main, "--no-browser"),
}


@pytest.fixture(scope="module")
def two(swept: tuple[Project, Outcome], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A sweep in the experiment of the digits, and after it a job of one of its names in another experiment."""
    project = copied(swept[0], tmp_path_factory.mktemp("two") / "project")
    client = project.client
    other = client.create_experiment("other")
    (job,) = (run for run in project.runs("job") if run.info.run_name == "weight-50")
    again = client.create_run(other, tags={**job.data.tags, "config_hash": "another"}, run_name="weight-50")
    client.log_param(again.info.run_id, "data", "other digits")
    client.set_terminated(again.info.run_id)
    conf = project.folder / "mine" / "data"
    conf.mkdir(parents=True)
    shutil.copy(CONF / "data/digits.yaml", conf / "ours.yaml")
    return project


def run(project: Project, command: str, *arguments: str) -> Outcome:
    return in_process(command, COMMANDS[command][0], project.folder, *arguments)


def test_a_sweep_and_a_job_are_found_in_whatever_experiment_they_are(two: Project) -> None:
    (sweep,) = two.runs("sweep")
    assert sweep.info.run_name in run(two, "prunelab-report", "--list").output
    outcome = run(two, "prunelab-export", "neuron-50", "--format", "safetensors")
    assert outcome.status == 0, outcome.output
    assert "exported: neuron-50" in outcome.output


def test_a_name_in_two_experiments_is_refused_with_what_tells_the_jobs_apart(two: Project) -> None:
    refused = run(two, "prunelab-export", "weight-50")
    assert refused.status == 1
    assert "weight-50 is the name of several jobs" in refused.output
    assert "data other digits" in refused.output
    found = run(two, "prunelab-export", "weight-50", "--format", "safetensors", "data=digits")
    assert found.status == 0, found.output


def test_a_sweep_is_drawn_again_in_its_own_experiment(two: Project) -> None:
    (sweep,) = two.runs("sweep")
    outcome = run(two, "prunelab-report")
    assert outcome.status == 0, outcome.output
    assert {curve.info.experiment_id for curve in two.runs("curve")} == {sweep.info.experiment_id}


def test_options_of_ones_own_say_which_experiment(two: Project) -> None:
    (sweep,) = two.runs("sweep")
    outcome = run(two, "prunelab-report", "--list", "--config-dir", "mine", "data=ours")
    assert outcome.status == 0, outcome.output
    assert sweep.info.run_name in outcome.output
    assert "ours" in run(two, "prunelab-report", "--list", "data=ours").output  # without it there is no such option


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_folder_of_options_and_refuses_one_that_is_not_there(command: str, two: Project) -> None:
    refused = run(two, command, *COMMANDS[command][1].split(), "--config-dir", "nowhere")
    assert refused.status in (1, 2)
    assert "--config-dir nowhere is refused: there is no such folder" in refused.output
