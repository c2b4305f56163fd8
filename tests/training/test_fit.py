"""A training, as far as a person sees it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from tests.conftest import SMALL, Project
from torch import nn

from prunelab.compose import compose_job
from prunelab.data.dataset import dataset_of
from prunelab.measure.quality import evaluate
from prunelab.training.fit import fit


def test_on_a_login_node_of_a_cluster_lightning_gives_no_hint(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        outcome = project.prunelab(*SMALL, "method=weight", "percentage=0", "training.epochs=1")
    assert outcome.status == 0, outcome.output
    assert not [each for each in seen if "srun" in str(each.message)]


def test_a_network_that_comes_in_evaluation_mode_is_trained_in_training_mode(tmp_path: Path) -> None:
    job = compose_job(["data=digits", "training.epochs=1", "trainer.progress=false"])
    norm = nn.BatchNorm1d(8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), norm, nn.ReLU(), nn.Linear(8, 10)).eval()
    fit(network, dataset_of(job.data), job.training, job.trainer, 0, tmp_path)
    assert norm.running_mean is not None
    assert not torch.isclose(norm.running_mean, torch.zeros(8)).any()


class Seen(lightning.Callback):
    """Validation accuracy after each epoch."""

    def __init__(self) -> None:
        self.accuracies: list[float] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.accuracies.append(float(trainer.callback_metrics["val/accuracy"]))


def test_the_network_is_left_with_the_weights_of_its_best_epoch_on_validation(tmp_path: Path) -> None:
    job = compose_job(["data=digits", "training.epochs=8", "training.learning_rate=0.1", "trainer.progress=false"])
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    dataset, seen = dataset_of(job.data), Seen()
    found = fit(network, dataset, job.training, job.trainer, 0, tmp_path, callbacks=[seen])
    best = max(seen.accuracies)
    assert seen.accuracies[-1] < best, "the last epoch is not the best one: else nothing is proved"
    assert found.best_epoch == seen.accuracies.index(best)
    assert evaluate(network.eval(), dataset.validation).accuracy == pytest.approx(best)
    saved = torch.load(found.checkpoint, weights_only=True)["state_dict"]
    assert torch.equal(saved["network.1.weight"], network.state_dict()["1.weight"])
