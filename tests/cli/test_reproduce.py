"""A recorded job is run again from the store alone, and every number of it is compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from mlflow.entities import Run
from tests.conftest import SMALL, TIMED, Outcome, Project, in_process, new_project

from prunelab.cli.reproduce import main
from prunelab.compose import compose_job
from prunelab.reproduction import rebuilt
from prunelab.tracking.opening import existing_store
from prunelab.tracking.reproducible import reproducible


def reproduce(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-reproduce", main, project.folder, "data=digits", *arguments)


def recorded(project: Project, *overrides: str) -> Run:
    """A finished job, run with one thread."""
    outcome = project.prunelab(*TIMED, "trainer.threads=1", "method=neuron", "percentage=50", *overrides)
    assert outcome.status == 0, outcome.output
    return project.runs("job")[-1]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """A project with one finished job; for tests that only look at it."""
    project = new_project(tmp_path_factory.mktemp("reproduced"), empty_store)
    recorded(project)
    return project


@pytest.fixture
def threads() -> Iterator[None]:
    """Two threads, as a machine other than the recording one may have."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_job_and_its_training_come_out_identical_with_the_recorded_threads(once: Project, threads: None) -> None:
    before = once.database.read_bytes()
    outcome = reproduce(once, "neuron-50")
    assert outcome.status == 0, outcome.output
    assert "epoch 2/2" in outcome.output
    assert "val/loss (2 epochs)" in outcome.output
    assert "metrics are identical to the last digit" in outcome.output
    assert "different" not in outcome.output
    assert torch.get_num_threads() == 1
    assert once.database.read_bytes() == before


@pytest.mark.slow
def test_every_metric_is_compared_but_measured_times(project: Project) -> None:
    job = recorded(project)
    accuracy = job.data.metrics["test/accuracy"]
    project.client.log_metric(job.info.run_id, "test/accuracy", accuracy + 1e-4)
    project.client.log_metric(job.info.run_id, "latency/batch_1_ms", 1e9)
    outcome = reproduce(project, job.info.run_id, "--reuse-baseline")
    assert outcome.status == 1
    assert repr(accuracy + 1e-4) in outcome.output
    assert "Not reproduced" in outcome.output
    assert "1 different" in outcome.output
    assert "measured, not compared" in outcome.output
    outcome = reproduce(project, job.info.run_id, "--reuse-baseline", "--tolerance=0.001")
    assert outcome.status == 0
    assert "1 within the tolerance, 0 different" in outcome.output


@pytest.mark.slow
def test_a_training_that_came_out_otherwise_is_noticed(project: Project) -> None:
    recorded(project)
    (baseline,) = project.runs("baseline")
    (loss,) = (m for m in project.client.get_metric_history(baseline.info.run_id, "val/loss") if m.step == 0)
    # the later of two values at a step is the one that counts
    project.client.log_metric(baseline.info.run_id, "val/loss", loss.value + 1, timestamp=loss.timestamp + 1, step=0)
    outcome = reproduce(project, baseline.info.run_id)
    assert outcome.status == 1
    assert "Job" not in outcome.output
    assert "1 different" in outcome.output


@pytest.mark.slow
def test_the_recorded_network_can_be_reused(once: Project) -> None:
    outcome = reproduce(once, "neuron-50", "--reuse-baseline")
    assert outcome.status == 0, outcome.output
    assert "epoch" not in outcome.output
    assert "identical to the last digit" in outcome.output


@pytest.mark.slow
def test_paths_are_those_of_this_machine_keys_that_are_newer_are_supplied_and_changes_said(project: Project) -> None:
    job = recorded(project)
    config, environment = (project.artifact(job, name) for name in ("config.yaml", "environment.json"))
    content = yaml.safe_load(config.read_text())
    content["data"]["folder"] = content["paths"]["root"] = "/nowhere/on/this/machine"
    content["tracking"]["uri"] = "sqlite:////nowhere/on/this/machine/mlflow.db"
    del content["calibration"], content["training"]["patience"]
    config.write_text(yaml.safe_dump(content))
    known = json.loads(environment.read_text())
    known["versions"]["torch"] = "1.0.0"
    environment.write_text(json.dumps(known))
    project.client.set_tag(job.info.run_id, "git_commit", "f00")
    outcome = reproduce(project, job.info.run_id, "--reuse-baseline")
    assert outcome.status == 0, outcome.output
    for key in ("calibration", "training.patience"):
        assert f"{key} is newer than the record" in outcome.output
    for line in ("Differences from the recorded environment", "1.0.0", "f00"):
        assert line in outcome.output
    assert "processor" not in outcome.output


def test_the_job_rebuilt_has_this_machines_places_and_the_recorded_rest(once: Project) -> None:
    here = compose_job([f"paths.root={once.folder}", "data=digits", "data.folder=/of/this/machine"])
    store = existing_store(here.tracking, here.experiment_name)
    then = reproducible(store, once.runs("job")[0].info.run_id)
    then.config["data"]["folder"] = then.config["tracking"]["uri"] = "/of/another/machine"
    job, supplied = rebuilt(then, here)
    assert supplied == []
    assert (job.tracking, job.paths, str(job.data.folder)) == (here.tracking, here.paths, "/of/this/machine")
    assert (job.run_name, job.model.name, job.training.epochs, job.trainer.threads) == ("neuron-50", "mlp_small", 2, 1)


@pytest.mark.slow
def test_what_cannot_be_reproduced_is_refused_in_words(project: Project) -> None:
    job = recorded(project)
    project.prunelab("-m", *SMALL, "percentage=0")
    (sweep,) = project.runs("sweep")
    config = project.artifact(job, "config.yaml")
    whole = config.read_text()

    def refusal(*arguments: str) -> str:
        outcome = reproduce(project, *arguments)
        assert outcome.status == 2
        assert "Traceback" not in outcome.output
        return outcome.output

    assert "nearest: neuron-50" in refusal("neuron-5")
    assert "is a sweep" in refusal(sweep.info.run_id)
    assert "what is computed is in the record" in refusal("neuron-50", "percentage=80")
    assert "it has: digits-pruning" in refusal("neuron-50", "tracking.experiment_name=other")
    config.write_text(whole + "novelty: 1\n")
    words = refusal("neuron-50")
    assert "novelty: no such key" in words
    assert "Reproduce it with the version that recorded it" in words
    config.write_text("just a text")
    assert "damaged config.yaml" in refusal("neuron-50")
    config.unlink()
    assert "no readable artifact config.yaml" in refusal("neuron-50")
    config.write_text(whole)
    project.client.set_tag(job.info.run_id, "baseline_key", "another")
    assert "--reuse-baseline is refused" in refusal("neuron-50", "--reuse-baseline")
    project.client.set_terminated(job.info.run_id, "FAILED")
    assert "is FAILED, not FINISHED" in refusal("neuron-50")


def test_a_store_that_is_not_there_is_refused_and_not_created(tmp_path: Path) -> None:
    outcome = in_process("prunelab-reproduce", main, tmp_path, "weight-50")
    assert outcome.status == 2
    assert "there is no store" in outcome.output
    assert list(tmp_path.iterdir()) == []
