"""Statuses are honest: a job that fails is FAILED and says why, its siblings go on, and the parent is always closed."""

from __future__ import annotations

import pytest
from tests.conftest import SMALL, Project

pytestmark = pytest.mark.usefixtures("unillustrated")
RATES = "training.learning_rate=0.001,0.002,0.003,1e30,0.004,0.005"
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.mark.parametrize(
    "launcher", [pytest.param((), id="basic"), pytest.param(JOBLIB, id="joblib", marks=pytest.mark.slow)]
)
def test_one_failing_job_among_six_leaves_five_finished_and_all_is_reported(
    launcher: tuple[str, ...], project: Project
) -> None:
    outcome = project.prunelab("-m", *SMALL, *launcher, "percentage=50", RATES)
    assert outcome.status == 1
    assert "1 of 6 jobs did not finish" in outcome.output
    assert "[6/6]" in outcome.output
    assert "weight-50 training.learning_rate=1e+30" in outcome.output
    jobs = project.runs("job")
    assert sorted(job.info.status for job in jobs) == ["FAILED"] + ["FINISHED"] * 5
    failed = next(job for job in jobs if job.info.status == "FAILED")
    assert "TrainingError" in project.artifact(failed, "traceback.txt").read_text()
    assert "training.learning_rate" in failed.data.tags["mlflow.note.content"]
    (sweep,) = project.runs("sweep")
    assert sweep.info.status == "FAILED"
    assert sweep.data.metrics["jobs/finished"] == 5
    assert sweep.data.metrics["jobs/failed"] == 1
    assert project.artifact(sweep, "figures/accuracy.png").is_file()
    assert len(project.artifact(sweep, "results.csv").read_text().splitlines()) == 6
    assert len(project.runs("curve")) == 5


def test_a_sweep_in_which_every_job_fails_is_closed_without_a_report(project: Project) -> None:
    outcome = project.prunelab("-m", *SMALL, "percentage=0,50", "training.learning_rate=1e30")
    assert outcome.status == 1
    (sweep,) = project.runs("sweep")
    assert sweep.info.status == "FAILED"
    assert sweep.data.metrics["jobs/failed"] == 2
    assert len(project.runs("baseline")) == 1, "a training that went wrong is not tried again for every job"
