"""A store that is moved or copied goes on working at its new place, and never touches the old one again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import SMALL, Outcome, Project, copied, in_process

from prunelab.cli.export import main as export_main
from prunelab.tracking.moving import mend

pytestmark = pytest.mark.usefixtures("unillustrated")
AGAIN = ("-m", *SMALL, "method=weight", "percentage=0,30")


@pytest.fixture
def original(swept: tuple[Project, Outcome], tmp_path: Path) -> Project:
    """A project of this test's own, opened once where it is."""
    return copied(swept[0], tmp_path / "original")


def addresses(project: Project) -> list[str]:
    """Every artifact address in the database but that of MLflow's own experiment."""
    with closing(sqlite3.connect(project.database)) as connection:
        runs = connection.execute("select artifact_uri from runs").fetchall()
        experiments = connection.execute("select artifact_location from experiments where experiment_id > 0").fetchall()
        return [address for (address,) in runs + experiments]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_after_mv_the_baseline_is_found_networks_are_exported_and_new_artifacts_stay_inside(
    original: Project, tmp_path: Path
) -> None:
    original.folder.rename(tmp_path / "moved here")  # a space, which addresses spell %20
    project = Project(tmp_path / "moved here")
    outcome = project.prunelab(*AGAIN)
    assert outcome.status == 0, outcome.output
    assert "0 to train, 1 there already" in outcome.output
    assert "training it again" not in outcome.output
    assert len(project.runs("baseline")) == 1
    exported = in_process("prunelab-export", export_main, project.folder, "weight-50", "data=digits")
    assert exported.status == 0, exported.output
    assert not original.folder.exists()
    assert all(address.startswith(f"{(project.folder / 'mlruns').as_uri()}/") for address in addresses(project))
    assert (project.artifact(project.runs("sweep")[-1], "report.html")).is_file()


def test_a_copy_uses_its_own_artifacts_and_leaves_the_original_untouched(original: Project, tmp_path: Path) -> None:
    shutil.copytree(original.folder, tmp_path / "copy")
    before = files(original.folder)
    copy = Project(tmp_path / "copy")
    outcome = copy.prunelab(*AGAIN)
    assert outcome.status == 0, outcome.output
    assert "0 to train" in outcome.output
    assert files(original.folder) == before
    assert all("/copy/" in address for address in addresses(copy))
    assert all("/original/" in address for address in addresses(original))


def test_a_store_in_its_place_is_not_written_to(original: Project) -> None:
    before = original.database.read_bytes()
    assert mend(original.database, original.folder / "mlruns/artifacts", writing=True) == []
    assert original.database.read_bytes() == before


def test_artifacts_that_were_put_elsewhere_on_purpose_stay_there(original: Project, tmp_path: Path) -> None:
    elsewhere = f"tracking.artifacts={tmp_path}/big disk"
    original.prunelab(*SMALL, "percentage=0", "tracking.experiment_name=big", elsewhere)
    outcome = original.prunelab(*SMALL, "percentage=50", "tracking.experiment_name=big")
    assert outcome.status == 0, outcome.output
    runs = [address for address in addresses(original) if "/big" in address]
    assert len(runs) == 4  # the experiment, a baseline, two jobs
    assert all(address.startswith((tmp_path / "big disk").as_uri()) for address in runs)


def test_a_run_whose_artifacts_were_left_behind_keeps_their_address(original: Project, tmp_path: Path) -> None:
    shutil.copytree(original.folder, tmp_path / "copy")
    copy = Project(tmp_path / "copy")
    (baseline,) = copy.runs("baseline")
    shutil.rmtree(next((tmp_path / "copy/mlruns/artifacts").glob(f"*/{baseline.info.run_id}")))
    mend(copy.database, tmp_path / "copy/mlruns/artifacts", writing=True)
    kept = [address for address in addresses(copy) if "/original/" in address]
    assert kept == [baseline.info.artifact_uri]


@pytest.mark.slow
def test_artifacts_at_neither_place_stop_a_sweep_before_any_work_until_relocate_says_they_are_gone(
    original: Project, tmp_path: Path
) -> None:
    original.folder.rename(tmp_path / "moved")
    project = Project(tmp_path / "moved")
    shutil.rmtree(project.folder / "mlruns/artifacts")
    before = project.database.read_bytes()
    outcome = project.prunelab(*AGAIN)
    assert outcome.status == 1
    assert "neither where they are recorded nor where tracking.artifacts=" in outcome.output
    assert project.database.read_bytes() == before
    assert mend(project.database, project.folder / "mlruns/artifacts", writing=True, lost_too=True)
    outcome = project.prunelab(*AGAIN)
    assert outcome.status == 0, outcome.output
    assert "training it again" in outcome.output


def test_an_experiment_that_is_not_prunelabs_is_left_alone(original: Project, tmp_path: Path) -> None:
    client = original.client
    own = client.create_experiment("mine", artifact_location=f"{tmp_path.as_uri()}/gone/mine")
    client.create_run(own)
    original.folder.rename(tmp_path / "moved")
    mend(tmp_path / "moved/mlruns/mlflow.db", tmp_path / "moved/mlruns/artifacts", writing=True)
    assert sum("/gone/mine" in address for address in addresses(Project(tmp_path / "moved"))) == 2
