"""Beside Torch-Pruning: it is brought to no fewer multiply-adds than prunelab, and the page says what was found."""

from __future__ import annotations

from math import prod

import pytest
import torch
from benchmarks.peers_table import DENSE_ROW, Entry, best_of, page
from tests.small import mlp
from torch import nn

from prunelab.graph.analyse import analyse
from prunelab.network.resnet8 import ResNet8
from prunelab.pruning.calibration import Calibration


def entry(name: str, seed: int, validation: float, speedup: float | None = 2.0) -> Entry:
    return Entry("mlp", "digits", seed, 50, name, 0.5, validation - 0.01, validation, speedup, 0.25)


def test_the_page_has_means_over_seeds_and_the_best_of_each_seed_by_validation() -> None:
    entries = [
        *(entry(DENSE_ROW, seed, 0.9, None) for seed in (0, 1)),
        *(entry("prunelab, neuron_obs, least squares", seed, 0.88, None) for seed in (0, 1)),
        *(entry("Torch-Pruning, Taylor, global", seed, 0.7 + seed / 10) for seed in (0, 1)),
        *(entry("Torch-Pruning, LAMP, global", seed, 0.76) for seed in (0, 1)),
    ]
    assert [each.name.split(", ")[1] for each in best_of("Torch-Pruning", entries)] == ["LAMP", "Taylor"]
    lines = page(entries, 64, 4, "1.6.1").splitlines()
    assert "## mlp on digits, 50% of MACs removed (n = 2)" in lines
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")][2:]
    assert all(row[1] == "50.0%" for row in rows)
    assert [row[0] for row in rows] == [
        "unpruned",
        "*best of Torch-Pruning*",
        "prunelab, neuron_obs, least squares",
        "Torch-Pruning, LAMP, global",
        "Torch-Pruning, Taylor, global",
    ]
    assert rows[1][3].startswith("0.7800\N{NO-BREAK SPACE}±")
    assert [row[4] for row in rows] == ["1", "2.00x", "unsteady", "2.00x", "2.00x"]


@pytest.mark.parametrize("kind", ["mlp", "resnet8"])
def test_torch_pruning_leaves_at_least_the_wanted_multiply_adds_and_not_many_more(kind: str) -> None:
    pytest.importorskip("torch_pruning")
    from benchmarks import torch_pruning as peer

    torch.manual_seed(0)
    network: nn.Module = mlp(64, 4, [40, 30, 20]) if kind == "mlp" else ResNet8((1, 8, 8), 4, [8, 16, 16])
    network.eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
    given = Calibration(torch.rand(12, 1, 8, 8), torch.randint(4, (12,)), seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    dense = peer.counted(network, given.images[:1])
    graph = analyse(network, given.images)
    assert dense == sum(layer.positions * prod(graph.shapes[layer.weight]) for layer in graph.layers)
    for importance in peer.IMPORTANCES:
        ready = peer.prepared(network, importance, given)
        for scope in peer.SCOPES:
            if importance == "BN scale" and kind == "mlp":
                with pytest.raises(peer.NothingToPrune):
                    peer.pruned(ready, scope, dense // 2)
                continue
            found = peer.pruned(ready, scope, dense // 2)
            assert dense / 2 <= peer.counted(found.network, given.images[:1]) <= 0.7 * dense, (importance, scope)
            assert found.network(given.images).shape == (12, 4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_hessian_is_of_all_images_not_of_the_last_one() -> None:
    pytest.importorskip("torch_pruning")
    from benchmarks import torch_pruning as peer

    torch.manual_seed(0)
    network = mlp(9, 3, [5]).eval()
    given = Calibration(torch.rand(4, 1, 3, 3), torch.tensor([0, 1, 2, 0]), seed=0)
    squares = []
    for image, label in zip(given.images, given.labels, strict=True):  # type: ignore[arg-type]
        network.zero_grad()
        nn.functional.cross_entropy(network(image[None]), label[None]).backward()
        squares.append(next(network.parameters()).grad.square())  # type: ignore[union-attr]
    ready = peer.prepared(network, "Hessian", given)
    assert torch.allclose(next(ready.network.parameters()).grad, torch.stack(squares).mean(0))  # type: ignore[arg-type]
