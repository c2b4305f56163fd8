"""Log messages: what `-v`, `-q` and `hydra.verbose` show of them, and that nothing in them commands a terminal."""

from __future__ import annotations

import logging

import pytest

from prunelab import logs
from tests.cli.hostile import COMMANDS
from tests.conftest import SMALL, Project, in_process

SWEEP = ("-m", *SMALL, "percentage=0,50", "measure=off")


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_a_sweep_logs_its_progress_nothing_with_q_and_more_with_v_and_always_prints_its_results(
    project: Project,
) -> None:
    training, progress, details = "epoch 2/2", "[2/2] weight-50", "prunelab.sweep.worker: weight-50 begins"
    for seed, flags, shown in (
        (0, (), (training, progress)),
        (1, ("-q",), ()),
        (2, ("--verbose",), (training, progress, details)),
        (3, ("hydra.verbose=true",), (training, progress, details)),
        (4, ("-v", "-q"), ()),
    ):
        outcome = project.prunelab(*flags, *SWEEP, f"seed={seed}")
        assert outcome.status == 0, outcome.output
        assert [words for words in (training, progress, details) if words in outcome.output] == list(shown), flags
        assert "report: " in outcome.output


@pytest.mark.usefixtures("unillustrated")
def test_a_job_that_fails_is_shown_even_with_q(project: Project) -> None:
    outcome = project.prunelab("-q", "-m", *SMALL, "percentage=0,50", "training.learning_rate=1e30")
    assert outcome.status == 1
    assert "[2/2] weight-50" in outcome.output
    assert "TrainingError" in outcome.output


def test_the_result_of_a_single_job_is_all_that_is_printed_with_q(project: Project) -> None:
    outcome = project.prunelab("--quiet", *SMALL, "percentage=50", "measure=off")
    assert outcome.status == 0
    (line,) = outcome.output.splitlines()
    assert line.startswith("weight-50: test accuracy ")


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.slow
def test_workers_log_as_the_sweep_does(project: Project) -> None:
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    loud = project.in_a_process("-v", *SWEEP, *joblib)
    assert "prunelab.sweep.worker: weight-50 begins" in loud.output
    quiet = project.in_a_process("-q", *SWEEP, *joblib, "seed=1")
    assert "epoch" not in quiet.output
    assert "begins" not in quiet.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_flags(command: str, project: Project) -> None:
    outcome = in_process(command, COMMANDS[command], project.folder, "--help")
    assert outcome.status == 0
    assert "-v, --verbose" in outcome.output
    assert "-q, --quiet" in outcome.output


def test_flags_stand_anywhere_and_the_last_one_counts() -> None:
    assert logs.begin(["a=1", "-q", "list", "--verbose"]) == ["a=1", "list"]
    assert logs.log.level == logging.DEBUG
    assert logs.begin(["-v", "-q"]) == []
    assert logs.log.level == logging.WARNING
    assert logs.begin() == []
    assert logs.log.level == logging.INFO


def test_a_message_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin()
    logging.getLogger("prunelab.test").warning("a name \x1b]0;owned\x07 of a foreign store, 100%")
    said = capsys.readouterr()
    assert said.err == "a name \\x1b]0;owned\\x07 of a foreign store, 100%\n"
    assert said.out == ""
