"""The experiment `search`: Optuna's trials are jobs of one sweep, judged on validation."""

from __future__ import annotations

import json
import re

import pytest
from tests.conftest import SMALL, Project, in_process

from prunelab import names
from prunelab.cli.report import main as report

pytestmark = pytest.mark.usefixtures("unillustrated")


@pytest.mark.slow
def test_a_search_finds_the_fewest_parameters_within_the_tolerance(project: Project) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    outcome = project.prunelab(
        *("experiment=search", *SMALL, "training.epochs=5", "hydra.sweeper.n_trials=8", "search.tolerance=0.05"),
        "calibration.images=500",
    )
    assert outcome.status == 0, outcome.output
    jobs = project.runs("job")
    assert len(jobs) == 8
    assert {job.info.status for job in jobs} == {"FINISHED"}
    within = [
        job.data.metrics
        for job in jobs
        if job.data.metrics["baseline/val_accuracy"] - job.data.metrics["val/accuracy"] <= 0.05
    ]
    (sweep,) = project.runs("sweep")
    said = sweep.data.tags["mlflow.note.content"]
    if within:
        fewest = min(round(m["weights/total"] / m["compression_ratio"]) for m in within)
        assert f"{fewest:,} parameters" in said
    else:
        assert "no trial stays within" in said
    assert "Pareto front" in said


def test_the_grid_sampler_tries_every_setting_once_whatever_the_experiment_varies_itself(project: Project) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    outcome = project.prunelab(
        *("experiment=search", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=6", *SMALL, "search.tolerance=1"),
        *("method=weight", "recovery=none", "percentage=choice(20,40,60)", "method.scope=choice(global,layer)"),
    )
    assert outcome.status == 0, outcome.output
    (sweep,) = project.runs("sweep")
    assert "of 6 trials are on the Pareto front" in sweep.data.tags["mlflow.note.content"]
    tried = [(job.data.metrics["percentage"], job.data.params["scope"]) for job in project.runs("job")]
    assert sorted(tried) == [(each, scope) for each in (20, 40, 60) for scope in ("global", "layer")]


def test_a_grid_has_no_intervals(project: Project) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    outcome = project.prunelab("experiment=search", "hydra/sweeper/sampler=grid", *SMALL, "percentage=interval(20,40)")
    assert outcome.status == 1
    assert "percentage=interval(20,40) is refused with hydra/sweeper/sampler=grid" in outcome.output
    assert "it accepts choice(...) and range(...)" in outcome.output
    assert not project.runs("sweep")


def test_a_search_over_seeds_judges_each_setting_by_its_mean_and_does_not_say_test_accuracy(project: Project) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    outcome = project.prunelab(
        *("experiment=search", *SMALL, "hydra.sweeper.n_trials=3", "search.tolerance=1", "search.seeds=[3,4]"),
        *("method=weight", "percentage=choice(20,40,60)", "recovery=none"),
    )
    assert outcome.status == 0, outcome.output
    jobs = project.runs("job")
    trials: dict[float, list[float]] = {}
    for job in jobs:
        trials.setdefault(job.data.metrics["percentage"], []).append(job.data.metrics["val/accuracy"])
    assert {job.data.params["seed"] for job in jobs} == {"3", "4"}
    assert all(len(each) == 2 for each in trials.values())
    (sweep,) = project.runs("sweep")
    said = sweep.data.tags["mlflow.note.content"]
    best = sum(trials[max(trials)]) / 2
    assert f"weight-{max(trials):g} (runs " in said
    assert f"validation accuracy {best:.4f} against" in said
    assert "means over 2 seeds" in said
    for job in jobs:
        assert f"validation accuracy {job.data.metrics['val/accuracy']:.4f}" in outcome.output
    verdict = json.loads(sweep.data.tags[names.VERDICTS])[0]
    assert "test accuracy" not in verdict
    again = in_process("prunelab-report", report, project.folder, "data=digits").output
    for printed in (outcome.output, again):
        shown = printed[printed.index("search 20") :]
        assert verdict in shown
        assert "test" not in shown
        assert re.search(r"validation\s", shown)
        means = [f"{sum(each) / 2:.4f}" for each in trials.values()]
        assert all(mean in shown for mean in means)
