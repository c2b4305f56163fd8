"""The baseline is trained once for each distinct training, keeps its best epoch, and comes out the same again."""

from __future__ import annotations

import json

import pytest
import torch
from tests.conftest import SMALL, Outcome, Project, computed, quick

pytestmark = pytest.mark.usefixtures("unillustrated")
CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


def test_a_baseline_records_its_training(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    (run,) = project.runs("baseline")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"baseline-{run.data.tags['baseline_key'][:12]}"
    for metric in CURVES:
        assert [m.step for m in project.client.get_metric_history(run.info.run_id, metric)] == [0, 1]
    assert {"test/accuracy", "test/loss"} <= run.data.metrics.keys()
    assert "epochs: 2" in project.artifact(run, "config.yaml").read_text()
    environment = json.loads(project.artifact(run, "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"


def test_its_checkpoint_holds_plain_weights_of_the_best_epoch(project: Project) -> None:
    project.prunelab(*SMALL, "training.epochs=6", "training.learning_rate=0.02", "percentage=0")
    (run,) = project.runs("baseline")
    state = torch.load(project.artifact(run, "checkpoint/best.ckpt"), weights_only=True)
    accuracies = [m.value for m in project.client.get_metric_history(run.info.run_id, "val/accuracy")]
    assert state["epoch"] == accuracies.index(max(accuracies)) == run.data.metrics["best_epoch"]
    assert run.data.metrics["best/val_accuracy"] == pytest.approx(max(accuracies))
    assert "optimizer_states" not in state


@pytest.mark.parametrize(("rate", "said"), [("1e-9", True), ("0.01", False)])
def test_one_that_learned_nothing_is_pointed_out(rate: str, said: bool, project: Project) -> None:
    training = ("training.epochs=4", f"training.learning_rate={rate}")
    outcome = project.prunelab(*SMALL, *training, "percentage=0", "measure=off")
    assert outcome.status == 0
    assert ("has learned next to nothing" in " ".join(outcome.output.split())) is said


def test_it_is_trained_once_and_shared_by_later_sweeps_with_other_methods(project: Project) -> None:
    project.prunelab("-m", *SMALL, "method=weight", "percentage=0,50")
    outcome = project.prunelab("-m", *SMALL, "method=neuron", "percentage=0,50")
    assert "0 to train, 1 there already" in outcome.output
    assert len(project.runs("baseline")) == 1


@pytest.mark.parametrize(
    "change",
    quick(["seed=1", "training.epochs=3", "model.hidden=[16]", "data.split_seed=1"], "model.hidden=[16]"),
)
def test_a_different_training_has_a_baseline_of_its_own(change: str, project: Project) -> None:
    project.prunelab(*SMALL, "percentage=0")
    project.prunelab(*SMALL, "percentage=0", change)
    assert len(project.runs("baseline")) == 2


@pytest.mark.slow
def test_the_same_command_gives_the_same_numbers_to_the_last_digit(project: Project) -> None:
    command = ("-m", *SMALL, "percentage=0,60")
    project.prunelab(*command, "tracking.experiment_name=one")
    project.in_a_process(*command, "tracking.experiment_name=two")
    baselines = [run.data.metrics for run in project.runs("baseline")]
    jobs = [computed(run) for run in project.runs("job")]
    assert len(baselines) == 2
    assert baselines[0] == baselines[1]
    assert jobs[:2] == jobs[2:]


def test_training_stops_early_when_asked(project: Project) -> None:
    project.prunelab(*SMALL, "training.epochs=30", "training.patience=1", "training.learning_rate=0.05", "percentage=0")
    (run,) = project.runs("baseline")
    assert len(project.client.get_metric_history(run.info.run_id, "val/loss")) < 30


def test_a_loss_that_is_no_number_is_a_failure_with_a_message(project: Project) -> None:
    outcome = project.prunelab(*SMALL, "training.learning_rate=1e30", "percentage=0")
    assert outcome.status == 1
    assert "training.learning_rate" in outcome.output
    (run,) = project.runs("baseline")
    assert run.info.status == "FAILED"
    assert "TrainingError" in project.artifact(run, "traceback.txt").read_text()


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_checkpoint_is_noticed_said_and_trained_again(damage: str, project: Project) -> None:
    project.prunelab(*SMALL, "percentage=50")
    (first,) = project.runs("baseline")
    checkpoint = project.artifact(first, "checkpoint/best.ckpt")
    if damage == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    else:
        checkpoint.unlink()
    outcome = project.prunelab(*SMALL, "percentage=50")
    assert outcome.status == 0
    assert "training it again" in outcome.output
    one, two = project.runs("job")
    assert computed(one) == computed(two)
    assert [run.info.status for run in project.runs("baseline")] == ["FAILED", "FINISHED"]
