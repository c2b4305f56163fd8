"""The experiment `until`: each probe is a job of one sweep, and what makes no sense is refused."""

from __future__ import annotations

import pytest
from tests.conftest import SMALL, Project

pytestmark = pytest.mark.usefixtures("unillustrated")
UNTIL = ("experiment=until", *SMALL, "training.epochs=5", "until.max_accuracy_drop=0.05", "method=weight")


def test_each_probe_is_a_job_of_one_sweep_and_the_verdict_is_kept(project: Project) -> None:
    outcome = project.prunelab("experiment=until", *SMALL, "training.epochs=5", "until.max_accuracy_drop=0.05")
    assert outcome.status == 0, outcome.output
    assert "is the largest percentage that satisfies an accuracy drop of at most 0.05" in outcome.output
    (sweep,) = project.runs("sweep")
    assert sweep.info.status == "FINISHED"
    assert "largest percentage" in sweep.data.tags["mlflow.note.content"]
    jobs = project.runs("job")
    assert 5 <= len(jobs) <= 9
    within = [
        job.data.metrics["percentage"]
        for job in jobs
        if job.data.metrics["baseline/val_accuracy"] - job.data.metrics["val/accuracy"] <= 0.05
    ]
    assert f"{max(within):g}% is the largest" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["percentage=20"], "it is what experiment=until looks for"),
        (["until.max_accuracy_drop=null"], "until.max_accuracy_drop, until.min_speedup, until.max_parameters"),
        (["until.max_accuracy_drop=-1"], "at least 0"),
        (["until.max_ms=1", "measure=off"], "nothing is timed"),
        (["until.max_bytes=1000", "measure.file=false"], "it takes measure.file=true"),
        (["until.resolution=0"], "0.01 to 50"),
        (["until.max_accuracy_drop=0.01,0.05"], "run a sweep for each"),
        (["resume=last"], "nothing to resume: no sweep named until"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(arguments: list[str], said: str, project: Project) -> None:
    outcome = project.prunelab("experiment=until", *SMALL, *arguments)
    assert outcome.status == 1
    assert said in " ".join(outcome.output.split())
    assert project.runs("job") == []


@pytest.mark.slow
def test_other_conditions_are_another_sweep_and_nothing_is_resumed(project: Project) -> None:
    assert project.prunelab(*UNTIL).status == 0
    before = len(project.runs("job"))
    for change in ("until.max_accuracy_drop=0.1", "until.min_speedup=2", "until.resolution=5"):
        outcome = project.prunelab(*UNTIL, change, "resume=last")
        assert outcome.status == 1
        assert f"{change.partition('=')[0]}: recorded" in " ".join(outcome.output.split())
    assert len(project.runs("job")) == before
