"""Adaptive sweeps are resumed by deciding again: no job that finished is run twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import SMALL, Project, computed, new_project

from prunelab import names
from prunelab.job import Result
from prunelab.sweep import worker
from prunelab.sweep.replay import result_of
from prunelab.tracking.run import run_of

pytestmark = pytest.mark.usefixtures("unillustrated")
UNTIL = ("experiment=until", *SMALL, "training.epochs=5", "until.max_accuracy_drop=0.05", "method=weight,neuron")
SEARCH = (
    *("experiment=search", *SMALL, "training.epochs=5", "hydra.sweeper.n_trials=14", "search.tolerance=0.05"),
    *("calibration.images=300", "measure=off", "hydra.sweeper.sampler.population_size=4"),
)


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ctrl-C in the job after so many."""
    real, left = worker.run, [after]

    def run(*arguments: object, **named: object) -> Result:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "run", run)


def jobs(project: Project) -> dict[str, dict[str, float]]:
    finished = [job for job in project.runs("job") if job.info.status == "FINISHED"]
    assert len({job.data.tags[names.CONFIG_HASH] for job in finished}) == len(finished), "none is run twice"
    return {job.data.tags[names.CONFIG_HASH]: computed(job) for job in finished}


@pytest.mark.slow
@pytest.mark.parametrize("command", [pytest.param(UNTIL, id="until"), pytest.param(SEARCH, id="search")])
def test_an_interrupted_adaptive_sweep_is_resumed_to_the_same_digits_and_the_same_verdict(
    command: tuple[str, ...], project: Project, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command is SEARCH:
        pytest.importorskip("optuna", reason="the extra `search` is not installed")
    (tmp_path / "undisturbed").mkdir()
    undisturbed = new_project(tmp_path / "undisturbed", empty_store)
    assert undisturbed.prunelab(*command).status == 0
    for after in (1, 4):  # interrupted twice
        with monkeypatch.context() as patched:
            interrupt(patched, after)
            stopped = project.prunelab(*command, *(["resume=last"] if after == 4 else []))
        assert stopped.status == 130
        assert [run.info.status for run in project.runs("sweep")] == ["KILLED"]
    outcome = project.prunelab(*command, "resume=last")
    assert outcome.status == 0, outcome.output
    assert "5 jobs are done" in outcome.output
    assert jobs(project) == jobs(undisturbed)
    (sweep,), (other,) = project.runs("sweep"), undisturbed.runs("sweep")
    assert sweep.info.status == "FINISHED"
    ours, theirs = (json.loads(run.data.tags[names.VERDICTS]) for run in (sweep, other))
    assert [words.partition("(run ")[0] for words in ours] == [words.partition("(run ")[0] for words in theirs]


@pytest.mark.slow
def test_a_result_read_back_from_the_store_is_the_one_that_was_returned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned, real = [], worker.run
    monkeypatch.setattr(worker, "run", lambda *a, **n: returned.append(real(*a, **n)) or returned[-1])
    assert project.prunelab("-m", *SMALL, "percentage=0,90", "measure.batch_sizes=[4,64]").status == 0
    assert project.prunelab("-m", *SMALL, "percentage=50", "measure=off").status == 0
    assert len(returned) == 3
    for result in returned:
        assert result_of(run_of(project.client.get_run(result.run_id))) == result
