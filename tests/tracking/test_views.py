"""The saved views that a sweep leaves in its experiment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import SMALL, Outcome, Project, in_process

from prunelab.cli.report import main as report_main
from prunelab.tracking import views
from prunelab.tracking.run import run_of


def experiment_tags(project: Project) -> dict[str, str]:
    experiment = project.client.get_experiment_by_name("digits-pruning")
    assert experiment is not None
    return dict(experiment.tags)


def test_a_published_sweep_is_what_the_comparison_shows(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    (sweep,) = project.runs("sweep")
    saved = json.loads(experiment_tags(project)["mlflow.sharedViewState.prunelab-comparison"])
    assert saved["name"] == f"Comparison: {sweep.info.run_name}"
    state = json.loads(saved["state"])
    found = project.client.search_runs([sweep.info.experiment_id], state["searchFilter"])
    assert {run.info.run_name for run in found} == {"weight", "neuron"}
    assert [chart["metricKey"] for chart in state["compareRunCharts"]] == ["curve/test_accuracy", "curve/test_loss"]


@pytest.mark.slow
def test_publishing_again_replaces_the_views_and_keeps_a_description_that_a_person_wrote(project: Project) -> None:
    project.prunelab("-m", *SMALL, "percentage=0,50")
    first = experiment_tags(project)
    assert "the comparison" in first["mlflow.note.content"]
    in_process("prunelab-report", report_main, project.folder, "data=digits")
    assert experiment_tags(project) == first

    (sweep,) = project.runs("sweep")
    project.client.set_experiment_tag(sweep.info.experiment_id, "mlflow.note.content", "ours")
    project.prunelab("-m", *SMALL, "method=neuron", "percentage=0,50")
    second = experiment_tags(project)
    assert set(second) == set(first)
    assert second["mlflow.note.content"] == "ours"
    newest = project.runs("sweep")[-1].info.run_id
    assert newest in second["mlflow.sharedViewState.prunelab-comparison"]


def test_the_columns_of_the_table_exist(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    job = project.runs("job")[0]
    there = {f"params.`{name}`" for name in job.data.params} | {f"metrics.`{name}`" for name in job.data.metrics}
    assert set(views.COLUMNS) <= there


def test_a_sweep_ends_by_saying_where_its_page_is_and_what_opens_the_comparison(
    swept: tuple[Project, Outcome],
) -> None:
    project, outcome = swept
    said = next(line for line in outcome.output.splitlines() if line.startswith("report: "))
    page, _, command = said.removeprefix("report: ").partition("; ")
    assert (project.folder / page).read_text().startswith("<!doctype html>")
    program, _, rest = command.partition(" ")
    assert Path(program).name == "prunelab-ui"
    assert rest == "opens the comparison"


def test_the_longest_names_fit_into_a_tag(swept: tuple[Project, Outcome]) -> None:
    sweep = replace(
        run_of(swept[0].runs("sweep")[0]),
        id="a" * 32,
        name="n" * 250,
        started=1_790_000_000_000,
        experiment_id="123456789012345678",
    )
    assert all(len(value) <= 5000 for value in views.tags(sweep).values())


def test_curves_have_the_colours_of_the_figures(swept: tuple[Project, Outcome]) -> None:
    project, _ = swept
    colours = {curve.info.run_name: curve.data.tags["mlflow.runColor"] for curve in project.runs("curve")}
    assert colours == {"weight": "#0072B2", "neuron": "#D55E00"}
