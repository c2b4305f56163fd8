"""Sweeps that decide as they go: the largest percentage under conditions, and the search for the fewest parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import SMALL, Project, computed, new_project

from prunelab import names
from prunelab.config import Until
from prunelab.errors import ConfigError
from prunelab.job import Result
from prunelab.measure.quality import Quality
from prunelab.sweep import worker
from prunelab.sweep.replay import result_of
from prunelab.sweep.until import bisect

pytestmark = pytest.mark.usefixtures("unillustrated")
NONE = {
    **{"max_accuracy_drop": None, "min_speedup": None, "max_parameters": None, "max_ms": None, "max_bytes": None},
    "resolution": 1.0,
}


class World:
    """Accuracy falls by a thousandth for each percentage point, parameters and multiply-adds by a hundredth of all."""

    def __init__(self, timed: bool = True, steady: bool = True, kept: bool = True) -> None:
        self.probed: list[float] = []
        self.timed, self.steady, self.kept = timed, steady, kept

    def __call__(self, percentage: float) -> Result:
        self.probed.append(percentage)
        left = 1000 - 10 * percentage
        quality = Quality(0.9 - percentage / 1000, 0.3)
        return Result(
            *("id", "job", quality, quality, 0.9, int(left), 1000 / max(left, 1)),
            milliseconds=left / 100 if self.timed else None,
            steady=self.steady,
            file_bytes=int(40 * left) if self.kept else None,
        )


@pytest.mark.parametrize(
    ("conditions", "percentage", "words"),
    [
        ({"max_accuracy_drop": 0.0335}, 33, "33% is the largest percentage"),
        ({"max_accuracy_drop": 0.0}, 0, "at 1% the drop would be 0.0010"),
        ({"max_accuracy_drop": 1.0}, 100, "there is nothing more to remove"),
        ({"max_accuracy_drop": 0.0335, "min_speedup": 1.25}, 33, "theoretical speedup (MACs) 1.493"),
        ({"max_accuracy_drop": 0.0335, "max_parameters": 700}, 33, "number of parameters 670"),
        ({"max_accuracy_drop": 0.0335, "min_speedup": 4.0}, None, "holds up to 33%"),
        ({"max_accuracy_drop": 0.0335, "min_speedup": 4.0}, None, "from 75% on"),
        ({"min_speedup": 4.0}, 75, "satisfies a theoretical speedup (MACs) of at least 4"),
        ({"max_ms": 2.5}, 75, "satisfies a measured time in ms of at most 2.5 (measured time in ms 2.5)"),
        ({"max_bytes": 20000}, 50, "satisfies a file size in bytes of at most 20,000"),
        ({"max_accuracy_drop": 0.0335, "max_ms": 8.0}, 33, "measured time in ms 6.7"),
        ({"max_accuracy_drop": 0.0335, "max_bytes": 8000}, None, "from 80% on"),
        ({"max_parameters": 100, "min_speedup": 4.0}, 90, "smallest percentage"),
        ({"min_speedup": 5000.0}, None, "not even 100%"),
        ({"max_accuracy_drop": 0.012, "resolution": 5.0}, 10, "at 15% the drop would be 0.0150"),
    ],
)
def test_the_verdict_is_the_largest_percentage_that_satisfies_the_conditions(
    conditions: dict[str, float], percentage: float | None, words: str
) -> None:
    world = World()
    verdict = bisect(Until.model_validate(NONE | conditions), world)
    assert verdict.percentage == percentage
    assert words in verdict.words
    assert len(world.probed) == len(set(world.probed)) <= 18


@pytest.mark.parametrize(
    ("world", "condition", "words"),
    [
        (World(steady=False), {"max_ms": 2.5}, "scatters by more than a fifth"),
        (World(timed=False), {"max_ms": 2.5}, "was not measured"),
        (World(kept=False), {"max_bytes": 100}, "kept no network"),
    ],
)
def test_nothing_is_decided_by_a_number_that_is_unsteady_or_missing(
    world: World, condition: dict[str, float], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        bisect(Until.model_validate(NONE | condition), world)


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
        (["until.max_ms=1", "measure=off"], "measure.batch_sizes is empty"),
        (["until.max_bytes=1000", "measure.file=false"], "it takes measure.file=true"),
        (["until.resolution=0"], "0.01 to 50"),
        (["until.max_accuracy_drop=0.01,0.05"], "run a sweep for each"),
        (["resume=last"], "there is no sweep called until"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(arguments: list[str], said: str, project: Project) -> None:
    outcome = project.prunelab("experiment=until", *SMALL, *arguments)
    assert outcome.status == 1
    assert said in " ".join(outcome.output.split())
    assert project.runs("job") == []


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


@pytest.mark.parametrize(
    "command", [pytest.param(UNTIL, id="until"), pytest.param(SEARCH, id="search", marks=pytest.mark.slow)]
)
def test_an_interrupted_sweep_that_decides_is_resumed_to_the_same_digits_and_the_same_verdict(
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


def test_other_conditions_are_another_sweep_and_nothing_is_resumed(project: Project) -> None:
    assert project.prunelab(*UNTIL[:-1], "method=weight").status == 0
    before = len(project.runs("job"))
    for change in ("until.max_accuracy_drop=0.1", "until.min_speedup=2", "until.resolution=5"):
        outcome = project.prunelab(*UNTIL[:-1], "method=weight", change, "resume=last")
        assert outcome.status == 1
        assert f"{change.partition('=')[0]}: recorded" in " ".join(outcome.output.split())
    assert len(project.runs("job")) == before


def test_a_result_read_back_from_the_store_is_the_one_that_was_returned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned, real = [], worker.run
    monkeypatch.setattr(worker, "run", lambda *a, **n: returned.append(real(*a, **n)) or returned[-1])
    assert project.prunelab("-m", *SMALL, "percentage=0,90", "measure.batch_sizes=[4,64]").status == 0
    assert project.prunelab("-m", *SMALL, "percentage=50", "measure=off").status == 0
    assert len(returned) == 3
    for result in returned:
        assert result_of(project.client.get_run(result.run_id)) == result


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
    verdict = json.loads(sweep.data.tags[names.VERDICTS])[0]
    assert "test accuracy" not in verdict
