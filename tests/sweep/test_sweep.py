"""What a sweep leaves in the store, under the names that the contract fixes."""

from __future__ import annotations

import math
from itertools import pairwise

import pandas as pd
import pytest
from tests.conftest import SMALL, TIMED, Outcome, Project, in_process

from prunelab.cli.report import main as report_main

PARAMETERS = {
    *("method", "percentage", "granularity", "score", "scope", "recovery", "seed", "data", "model", "epochs"),
    *("batch_size", "learning_rate", "precision", "arithmetic", "baseline_key", "percentage_of"),
}
METRICS = {
    *("test/accuracy", "test/loss", "val/accuracy", "val/loss", "baseline/test_accuracy", "baseline/test_loss"),
    *("accuracy_drop", "percentage", "weights/total", "weights/remaining", "neurons/total", "neurons/remaining"),
    *("remaining/layer_1", "remaining/layer_2", "remaining/layer_3", "compression_ratio", "theoretical_speedup"),
}


def test_a_sweep_is_a_parent_its_jobs_and_a_curve_for_each_method(swept: tuple[Project, Outcome]) -> None:
    project, outcome = swept
    assert outcome.status == 0
    (sweep,) = project.runs("sweep")
    assert sweep.info.status == "FINISHED"
    assert sweep.info.run_name.startswith("sweep 20")
    jobs = project.runs("job")
    assert [job.info.run_name for job in jobs] == [
        *("weight-0", "weight-50", "weight-99", "neuron-0", "neuron-50", "neuron-99")
    ]
    assert {job.data.tags["mlflow.parentRunId"] for job in jobs} == {sweep.info.run_id}
    assert {job.info.status for job in jobs} == {"FINISHED"}
    curves = project.runs("curve")
    assert [curve.info.run_name for curve in curves] == ["weight", "neuron"]
    for curve in curves:
        assert curve.data.tags["sweep_id"] == sweep.info.run_id
        assert "mlflow.parentRunId" not in curve.data.tags
        points = {m.step: m.value for m in project.client.get_metric_history(curve.info.run_id, "curve/test_accuracy")}
        ours = [job for job in jobs if job.data.params["method"] == curve.info.run_name]
        assert points == {int(job.data.params["percentage"]): job.data.metrics["test/accuracy"] for job in ours}
    experiment = project.client.get_experiment(sweep.info.experiment_id)
    assert experiment.name == "digits-pruning"


def test_a_job_records_the_parameters_metrics_and_provenance_of_the_contract(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    job = project.runs("job")[1]
    assert set(job.data.params) == PARAMETERS
    assert set(job.data.metrics) >= METRICS
    assert job.data.params["percentage"] == "50"
    assert job.data.metrics["percentage"] == 50
    for tag in ("config_hash", "overrides", "git_commit", "git_dirty", "baseline_key"):
        assert job.data.tags[tag]
    assert "percentage: 50" in project.artifact(job, "config.yaml").read_text()
    assert "hydra-core" in project.artifact(job, "environment.json").read_text()
    (dataset,) = job.inputs.dataset_inputs
    assert dataset.dataset.name == "digits"


def test_the_counts_of_a_job_are_exact(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    by_name = {job.info.run_name: job.data.metrics for job in project.runs("job")}
    rankable, neurons, weights = 64 * 64 + 64 * 48 + 48 * 32, 64 + 48 + 32, 64 * 64 + 64 * 48 + 48 * 32 + 320
    half = by_name["weight-50"]
    assert half["weights/total"] == weights
    assert half["weights/total"] - half["weights/remaining"] == rankable // 2
    assert sum(half[f"remaining/layer_{n}"] for n in (1, 2, 3)) == rankable - rankable // 2
    assert half["compression_ratio"] == weights / (weights - rankable // 2)
    most = by_name["neuron-99"]
    assert neurons - most["neurons/remaining"] == 99 * neurons // 100
    assert by_name["neuron-0"]["weights/remaining"] == weights


def test_neurons_remaining_count_what_a_compacted_network_holds(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    half = next(job for job in project.runs("job") if job.info.run_name == "neuron-50").data.metrics
    sizes = [64, *(half[f"remaining/layer_{n}"] for n in (1, 2, 3)), 10]
    assert half["weights/remaining"] == sum(a * b for a, b in pairwise(sizes))


@pytest.mark.usefixtures("unillustrated")
def test_an_emptied_layer_gives_a_tenth_and_the_logarithm_of_ten(project: Project) -> None:
    project.prunelab("-m", *SMALL, "method=neuron", "percentage=100")
    (job,) = project.runs("job")
    assert job.data.metrics["test/loss"] == pytest.approx(math.log(10), abs=1e-6)
    assert job.data.metrics["weights/remaining"] == 0


def test_the_sweep_run_carries_table_csv_and_figures(swept: tuple[Project, Outcome]) -> None:
    project, outcome = swept
    (sweep,) = project.runs("sweep")
    description = sweep.data.tags["mlflow.note.content"]
    assert "| weight | 50 |" in description
    assert "The unpruned network" in description
    frame = pd.read_csv(project.artifact(sweep, "results.csv"))
    assert len(frame) == 6
    assert set(frame.columns) >= METRICS
    for figure in ("accuracy", "loss", "survivors", "learning_curves"):
        assert project.artifact(sweep, f"figures/{figure}.png").read_bytes().startswith(b"\x89PNG")
    assert "weight-50" in outcome.output
    assert "nothing tried stays within 1 point of the baseline on validation" in outcome.output


def test_the_sweep_run_carries_a_page_that_says_what_was_run(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    (sweep,) = project.runs("sweep")
    job = project.runs("job")[0]
    html = project.artifact(sweep, "report.html").read_text()
    said = html[: html.index('id="figures"')]
    assert "method=weight,neuron percentage=0,50,99" in said
    assert job.data.tags["git_commit"] in said
    assert job.inputs.dataset_inputs[0].dataset.digest in said
    assert "initialisation: glorot_uniform" in said
    assert "hydra-core" in said
    assert f"{job.data.metrics['test/accuracy']:.4f}" in said
    description = sweep.data.tags["mlflow.note.content"]
    assert "report.html" in description
    assert description.startswith("**")


@pytest.mark.usefixtures("unillustrated")
def test_a_value_given_twice_is_one_job(project: Project) -> None:
    outcome = project.prunelab(*SMALL, "-m", "percentage=50,50.0,50")  # options may stand after overrides
    assert outcome.status == 0
    assert len(project.runs("job")) == 1


@pytest.mark.slow
def test_what_a_training_recovery_is_compared_with_comes_first_and_a_report_says_what_is_missing(
    project: Project,
) -> None:
    project.prunelab("-m", *SMALL, "recovery=finetune", "recovery.epochs=1", "percentage=50,80")
    jobs = project.runs("job")
    assert [job.info.run_name for job in jobs] == ["weight-0", "weight-50", "weight-80"]
    for job, missing in ((jobs[2], "incomplete: 2 of 3 jobs"), (jobs[0], "percentage 0 is missing")):
        project.client.delete_run(job.info.run_id)
        outcome = in_process("prunelab-report", report_main, project.folder, "data=digits")
        assert missing in outcome.output


def test_a_single_job_has_no_parent(project: Project) -> None:
    outcome = project.prunelab(*SMALL, "method=neuron", "percentage=20")
    assert outcome.status == 0
    (job,) = project.runs("job")
    assert job.info.run_name == "neuron-20"
    assert "mlflow.parentRunId" not in job.data.tags
    assert f"accuracy {job.data.metrics['test/accuracy']:.4f}" in outcome.output


@pytest.mark.slow
@pytest.mark.usefixtures("unillustrated")
def test_the_report_experiment_is_a_sweep_by_itself(project: Project) -> None:
    outcome = project.prunelab("experiment=report", *TIMED)
    assert outcome.status == 0
    jobs = project.runs("job")
    assert len(jobs) == 20
    percentages = {int(job.data.params["percentage"]) for job in jobs}
    assert percentages == {0, 20, 30, 40, 50, 60, 70, 80, 90, 99}
    assert project.runs("sweep")[0].info.run_name.startswith("report 20")


@pytest.mark.usefixtures("unillustrated")
def test_the_command_line_wins_over_an_experiments_own_values(project: Project) -> None:
    project.prunelab("experiment=report", *SMALL, "percentage=10,60", "method=neuron")
    assert [job.info.run_name for job in project.runs("job")] == ["neuron-10", "neuron-60"]


@pytest.mark.slow
def test_a_recorded_sweep_is_drawn_again_from_the_store_alone(project: Project) -> None:
    project.prunelab("-m", *TIMED, "percentage=0,50")
    (sweep,) = project.runs("sweep")
    figure = project.artifact(sweep, "figures/accuracy.png")
    figure.unlink()
    page = project.artifact(sweep, "report.html")
    page.unlink()
    outcome = in_process("prunelab-report", report_main, project.folder, "data=digits")
    assert outcome.status == 0
    assert figure.is_file()
    assert page.is_file()
    assert len(project.runs("curve")) == 1
    assert project.runs("sweep")[0].info.status == "FINISHED"


def test_an_unknown_sweep_is_refused_and_the_nearest_offered(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    (sweep,) = project.runs("sweep")
    outcome = in_process("prunelab-report", report_main, project.folder, sweep.info.run_name[:-1] + "x", "data=digits")
    assert outcome.status == 1
    assert sweep.info.run_name in outcome.output
