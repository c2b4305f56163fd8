"""Muon beside torch's own optimisers, and in a training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunelab.choices import Optimizer
from prunelab.compose import compose_job
from prunelab.recovery.recover import recovery_of
from prunelab.training.muon import Muon, orthogonal


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(12, 30), nn.ReLU(), nn.Linear(30, 5))


def steps(network: nn.Module, optimizers: list[torch.optim.Optimizer], count: int = 5) -> None:
    images = torch.randn(40, 12, generator=torch.Generator().manual_seed(1))
    for _ in range(count):
        network.zero_grad()
        network(images).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (9, 9)])
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert found.shape == matrix.shape
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert nn.functional.cosine_similarity(found.flatten(), (left @ right).flatten(), dim=0) > 0.98
    assert not orthogonal(torch.zeros(shape)).any()


def test_matrices_move_as_by_torchs_muon_and_biases_as_by_adamw() -> None:
    ours, theirs = network(), network()
    steps(ours, [Muon(ours.parameters(), lr=0.01, weight_decay=0.1)])
    matrices = [parameter for parameter in theirs.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in theirs.parameters() if parameter.dim() == 1]
    muon = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    steps(theirs, [muon, torch.optim.AdamW(others, lr=0.01, weight_decay=0.1)])
    for (name, found), expected, start in zip(
        ours.named_parameters(), theirs.parameters(), network().parameters(), strict=True
    ):
        moved = (expected - start).norm()
        assert moved > 0.01
        assert (found - expected).norm() < 0.02 * moved, name  # torch's is in bfloat16


def test_a_convolution_is_the_matrix_of_its_outputs() -> None:
    gradient = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(3))
    moved = []
    for shape in ((6, 4, 3, 3), (6, 36)):
        parameter = nn.Parameter(torch.zeros(shape))
        parameter.grad = gradient.view(shape)
        Muon([parameter], lr=0.1).step()
        moved.append(parameter.detach().flatten())
    assert torch.equal(*moved)
    assert moved[0].square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.3)


def test_a_recovery_has_an_optimiser_of_its_own() -> None:
    job = compose_job(["recovery=finetune", "recovery.optimizer=muon", "training.optimizer=sgd"])
    _, options = recovery_of(job.recovery)
    assert job.training.optimizer is Optimizer.SGD
    assert options.training(job.training).optimizer is Optimizer.MUON  # type: ignore[attr-defined]
    older = options.model_copy(update={"optimizer": None})  # a stored job from before the key existed
    assert older.training(job.training).optimizer is Optimizer.SGD  # type: ignore[attr-defined]
    inherited = recovery_of(compose_job(["recovery=finetune", "training.optimizer=sgd"]).recovery)[1]
    assert inherited.training(job.training).optimizer is Optimizer.SGD  # type: ignore[attr-defined]
