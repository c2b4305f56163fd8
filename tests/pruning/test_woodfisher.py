"""WoodFisher against the formula, from gradients of one batch at a time."""

from __future__ import annotations

import pytest
import torch
from tests.small import mlp
from torch.nn import functional

from prunelab.errors import PrunelabError
from prunelab.graph.analyse import analyse
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.criteria import woodfisher as module
from prunelab.pruning.criteria.woodfisher import woodfisher


def test_it_is_the_quadratic_cost_in_each_block_of_the_empirical_fisher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    monkeypatch.setattr(module, "GRADIENTS", 7)
    monkeypatch.setattr(module, "AT_ONCE", 3)
    network = mlp(5, 3, [6], bias=False).eval()  # 30 weights: the last block has two
    images = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 3
    graph = analyse(network, images)
    (layer,) = graph.prunable
    found = woodfisher(network, graph, Calibration(images, labels, 0))[layer.weight].flatten()
    weight = dict(network.named_parameters())[layer.weight]
    gradients = []
    for some, wanted in zip(images.split(3), labels.split(3), strict=True):
        (gradient,) = torch.autograd.grad(functional.cross_entropy(network(some), wanted), weight)
        gradients.append(gradient.flatten().double())
    stacked = torch.stack(gradients)
    fisher = stacked.T @ stacked / 7
    damping = module.DAMPING * fisher.diagonal().mean() + 1e-10
    values = weight.detach().flatten().double()
    for start in range(0, 30, 4):
        block = slice(start, min(start + 4, 30))
        inverse = torch.linalg.inv(fisher[block, block] + damping * torch.eye(len(values[block])))
        expected = values[block].square() / (2 * inverse.diagonal())
        torch.testing.assert_close(found[block].double(), expected, rtol=1e-3, atol=0)


def test_without_labels_it_is_refused() -> None:
    network, images = mlp(5, 3, [6]), torch.rand(6, 5)
    with pytest.raises(PrunelabError, match="needs labels="):
        woodfisher(network, analyse(network, images), Calibration(images, None, 0))
