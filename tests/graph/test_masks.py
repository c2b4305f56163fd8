"""Masks by parameter name: what a unit takes with it, and how they are applied."""

from __future__ import annotations

import torch
from tests.small import everything, mlp, mlp_graph, pruned_by
from torch import nn

from prunelab.graph.analyse import analyse
from prunelab.graph.masks import apply, masked, unit_mask
from prunelab.pruning.granularity import Weight


def test_a_removed_unit_takes_its_inputs_its_bias_and_its_consumers_inputs_with_it() -> None:
    mask = unit_mask(mlp_graph(3, 2, (2, 2)), torch.tensor([True, False, False, True]))
    assert mask["hidden_1.weight"].tolist() == [[True] * 3, [False] * 3]
    assert mask["hidden_1.bias"].tolist() == [True, False]
    assert mask["hidden_2.weight"].tolist() == [[False, False], [True, False]]
    assert mask["hidden_2.bias"].tolist() == [False, True]
    assert mask["output.weight"].tolist() == [[False, True], [False, True]]
    assert "output.bias" not in mask


def test_a_removed_channel_takes_its_batch_normalisation_with_it_but_no_buffer_is_masked() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    mask = unit_mask(analyse(network, torch.rand(2, 1, 4, 4)), torch.tensor([False, True]))
    assert mask["1.weight"].tolist() == mask["1.bias"].tolist() == [False, True]
    assert mask["0.weight"].shape == (2, 1, 3, 3)
    assert mask["3.weight"].tolist() == [[False] * 4 + [True] * 4] * 3
    assert set(mask) == {"0.weight", "0.bias", "1.weight", "1.bias", "3.weight"}


def test_a_removed_weight_takes_nothing_with_it() -> None:
    graph = mlp_graph(3, 2, (2, 2))
    kept = everything(graph, Weight())
    kept[0][0, 1] = kept[1][1, 0] = False
    mask = pruned_by(mlp(3, 2, (2, 2)), graph, Weight(), kept).mask
    assert set(mask) == {"hidden_1.weight", "hidden_2.weight"}
    assert mask["hidden_1.weight"].tolist() == [[True, False, True], [True] * 3]
    assert mask["hidden_2.weight"].tolist() == [[True, True], [False, True]]


def test_masking_gives_a_copy_and_applying_works_in_place() -> None:
    network = mlp(3, 2, (2,))
    before = network[1].weight.detach().clone()
    mask = {"hidden_1.weight": torch.tensor([[True, False, True], [False, True, True]])}
    copied = masked(network, mask)
    assert torch.equal(network[1].weight, before)
    assert torch.equal(copied.get_submodule("hidden_1").weight, before * mask["hidden_1.weight"])
    apply(network, mask)
    assert torch.equal(network[1].weight, before * mask["hidden_1.weight"])
