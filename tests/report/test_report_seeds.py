"""The report over seeds: made from a recorded sweep, shown beside the very same jobs of one seed and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from benchmarks.report_seeds import hashes
from benchmarks.report_seeds import main as make
from tests.conftest import SMALL, Outcome, Project, in_process, new_project, nothing_drawn
from tests.report.sweeps import job, results

from prunelab import names
from prunelab.report import outcome, report_seeds
from prunelab.report.page import page
from prunelab.report.report_seeds import OVER_SEEDS, recorded

SWEEP = ("experiment=report", *SMALL, "percentage=0,50")
SAME = [word for word in SMALL if not word.startswith(("trainer", "measure"))]


def made(project: Project, *arguments: str) -> Outcome:
    return in_process("report_seeds", make, project.folder, *arguments)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Project, Path]:
    """A project with a sweep over three seeds, and the file made from it."""
    project = new_project(tmp_path_factory.mktemp("seeds"), empty_store)
    with nothing_drawn():
        done = project.prunelab(*SWEEP, "seed=range(0,3)", "measure=off")
    assert done.status == 0, done.output
    file = project.folder / "seeds.csv"
    done = made(project, *SAME, "--output", str(file))
    assert done.status == 0, done.output
    return project, file


@pytest.mark.slow
def test_the_file_has_every_job_and_says_how_it_was_made(
    seeds: tuple[Project, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, file = seeds
    monkeypatch.setattr(report_seeds, "place", lambda: file)
    known = recorded()
    assert known is not None
    head, jobs = known
    assert head.startswith("prunelab ")
    assert "seed=0,1,2" in head
    assert "torch " in head
    assert str(project.folder) not in file.read_text()
    ours = {
        (run.data.params["method"], float(run.data.params["percentage"]), int(run.data.params["seed"])): run
        for run in project.runs("job")
    }
    assert len(ours) == len(jobs) == 12
    for row in jobs.to_dict("records"):
        run = ours[row["method"], row[names.PERCENTAGE], row["seed"]]
        assert row[names.TEST_ACCURACY] == run.data.metrics[names.TEST_ACCURACY]
        assert row[names.CONFIG_HASH] == run.data.tags[names.CONFIG_HASH]


@pytest.mark.slow
def test_it_stands_beside_the_same_jobs_of_one_seed_and_not_beside_others(
    seeds: tuple[Project, Path],
    tmp_path: Path,
    empty_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(report_seeds, "place", lambda: seeds[1])
    jobs = pd.read_csv(seeds[1], comment="#")
    at = jobs[(jobs["method"] == "neuron") & (jobs[names.PERCENTAGE] == 50)][names.TEST_ACCURACY]
    text = f"{at.mean():.4f} ({at.min():.4f} to {at.max():.4f})"
    project = new_project(tmp_path, empty_store)
    done = project.prunelab(*SWEEP)
    assert text in done.output
    assert "over 3 seeds, which come with prunelab" in done.output
    (sweep,) = project.runs("sweep")
    unbroken = text.replace(" to ", "\u00a0to\u00a0")
    assert unbroken in project.artifact(sweep, "report.html").read_text()
    assert text not in project.artifact(sweep, "results.tex").read_text()
    assert "accuracy over seeds" in sweep.data.tags[names.NOTE]
    request.getfixturevalue("unillustrated")
    for change in ("training.epochs=3", "recovery=least_squares", "percentage_of=parameters", "method.min_keep=1"):
        other = [word for word in SWEEP if word.partition("=")[0] != change.partition("=")[0]]
        done = project.prunelab(*other, change)
        assert done.status == 0, done.output
        assert "which come with prunelab" not in done.output, change


@pytest.mark.slow
def test_of_several_seeds_and_without_the_file_there_is_nothing_beside(
    seeds: tuple[Project, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = pd.read_csv(seeds[1], comment="#")
    rows = [
        job(row["method"], row[names.PERCENTAGE], row["seed"], **{names.CONFIG_HASH: row[names.CONFIG_HASH]})
        for row in known.to_dict("records")
    ]
    one, several = results(*(row for row in rows if row["seed"] == "0")), results(*rows)
    monkeypatch.setattr(report_seeds, "place", lambda: seeds[1])
    assert set(OVER_SEEDS.values()) <= set(one.table.columns)
    assert not set(OVER_SEEDS.values()) & set(several.table.columns)
    monkeypatch.setattr(report_seeds, "place", lambda: tmp_path / "none.csv")
    again = results(*one.rows.to_dict("records"))
    assert not set(OVER_SEEDS.values()) & set(again.table.columns)
    assert "accuracy over seeds" not in page(again) + outcome.Outcome(again).markdown()


@pytest.mark.slow
def test_a_sweep_that_is_not_the_reports_is_refused(seeds: tuple[Project, Path], tmp_path: Path) -> None:
    project, file = seeds
    before = file.read_bytes()
    done = made(project, "data=digits", "model=mlp_small", "training.epochs=5", "--output", str(file))
    assert done.status == 1
    assert "12 of 12 jobs are not those of experiment=report" in done.output
    assert file.read_bytes() == before
    (hidden,) = [run for run in project.runs("job") if run.data.params["percentage"] == "50"][:1]
    project.client.update_run(hidden.info.run_id, status="FAILED")
    done = made(project, *SAME, "--output", str(file))
    project.client.update_run(hidden.info.run_id, status="FINISHED")
    assert "1 of 12 jobs are missing" in done.output
    assert file.read_bytes() == before


def test_the_file_that_ships_is_of_the_report_as_it_is_configured_today() -> None:
    known = recorded()
    if known is None:
        pytest.skip("the run over ten seeds has not been made")
    _, jobs = known
    seeds, percentages = jobs["seed"].unique(), jobs[names.PERCENTAGE].unique()
    assert set(jobs[names.CONFIG_HASH]) == hashes(percentages, [int(seed) for seed in seeds]), "make it again"
    assert len(seeds) >= 10


def test_readmes_table_is_that_of_the_seeds_that_come_with_prunelab() -> None:
    known = recorded()
    assert known is not None
    lines = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines()
    checked = 0
    for (method, percentage), jobs in known[1].groupby(["method", names.PERCENTAGE]):
        beginning = re.compile(rf"\| {percentage:g}% \| 0\.\d{{4}} / ")
        line = next(filter(beginning.match, lines), None)
        if line is None:
            continue
        first = jobs[jobs["seed"] == 0].iloc[0]
        accuracies = jobs[names.TEST_ACCURACY]
        here = f"{first[names.TEST_ACCURACY]:.4f} / {first[names.TEST_LOSS]:.4f}"
        over = f"{accuracies.mean():.3f} ({accuracies.min():.3f} to {accuracies.max():.3f})"
        assert f"| {here} | {over} |" in line, (method, percentage)
        checked += 1
    assert checked == 16
