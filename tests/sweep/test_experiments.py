"""The stored sweeps, each run whole on the digits: they compose, finish, and compare fairly."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from tests.conftest import TIMED, Project

from prunelab.compose import compose_job
from prunelab.data.dataset import dataset_of
from prunelab.pruning.calibration import calibration
from prunelab.reading import CONF

QUICK = (*TIMED, "calibration.images=300")


@pytest.mark.slow
def test_the_league_has_every_method_with_its_random_and_magnitude_baselines(project: Project) -> None:
    outcome = project.prunelab("experiment=league", *QUICK, "percentage=50", "seed=0,1")
    assert outcome.status == 0, outcome.output
    jobs = project.runs("job")
    methods = {job.data.params["method"] for job in jobs}
    assert methods == {file.stem for file in (CONF / "method").glob("*.yaml")} - {"weight_n_m"}  # takes 50% or 75%
    assert {"weight", "weight_random", "neuron_layer", "neuron_random"} <= methods
    assert len(jobs) == 2 * len(methods)
    (sweep,) = project.runs("sweep")
    assert " ± " in sweep.data.tags["mlflow.note.content"]
    assert len(project.runs("curve")) == len(methods)
    for figure in ("accuracy", "parameters", "speedup", "promised_speedup", "file", "pixels"):
        assert project.artifact(sweep, f"figures/{figure}.png").is_file()


@pytest.mark.slow
def test_every_recovery_that_trains_is_beside_the_unpruned_network_trained_as_long(project: Project) -> None:
    outcome = project.prunelab("experiment=recovery", *QUICK, "percentage=80")
    assert outcome.status == 0, outcome.output
    settings = [run.data.params for run in project.runs("job")]
    done = {(params["method"], params["recovery"], params["percentage"]) for params in settings}
    recoveries = {file.stem for file in (CONF / "recovery").glob("*.yaml")} - {"batch_norm"}  # the network has none
    for method in ("weight_obs", "neuron_activation"):
        assert {recovery for m, recovery, percentage in done if (m, percentage) == (method, "80")} == recoveries
        longer = {recovery for m, recovery, percentage in done if (m, percentage) == (method, "0")}
        assert longer == {"finetune", "least_squares_finetune", "iterative", "rewind", "sequence"}
    assert "the unpruned network given the same extra training (test accuracy" in outcome.output


@pytest.mark.slow
def test_the_recipe_beyond_runs_with_and_without_retraining(project: Project) -> None:
    for changes in ((), ("recovery.steps=[least_squares,admm]",)):
        outcome = project.prunelab("experiment=beyond", *QUICK, "percentage=80", "seed=0", *changes)
        assert outcome.status == 0, outcome.output
    runs = project.runs("job")
    pruned = [run.data for run in runs if run.data.params["percentage"] == "80"]
    trained = Counter((data.params["method"], data.tags["recovery_trains"]) for data in pruned)
    assert trained == {
        (method, trains): 1 for method in ("weight_obs_downstream", "neuron_obs") for trains in ("true", "false")
    }
    assert all("steps: 4" in project.artifact(run, "config.yaml").read_text() for run in runs)


def test_calibration_uses_training_images_only_and_its_seed() -> None:
    dataset = dataset_of(compose_job(["data=digits"]).data)
    train = {tuple(image.flatten().tolist()) for image in dataset.train.images}
    one, two, other = (calibration(dataset.train, 200, seed) for seed in (0, 0, 1))
    assert len(one.images) == 200
    assert all(tuple(image.flatten().tolist()) in train for image in one.images)
    assert torch.equal(one.images, two.images)
    assert not torch.equal(one.images, other.images)
    assert len(calibration(dataset.train, 10**6, 0).images) == len(dataset.train)
