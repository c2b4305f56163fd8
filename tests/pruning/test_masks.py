"""Masks of weights and neurons in one form, and which neurons still matter."""

from __future__ import annotations

import torch

from prunelab.config import Granularity
from prunelab.network.mlp import MLP
from prunelab.pruning.masks import layer_masks, live_neurons


def network() -> MLP:
    return MLP(3, 2, hidden=[2, 2], bias=False, activation="relu", initialisation="glorot_uniform")


def test_a_removed_neuron_takes_its_inputs_and_its_consumers_inputs_with_it() -> None:
    kept = [torch.tensor([True, False]), torch.tensor([False, True])]
    first, second, last = layer_masks(network(), kept, Granularity.NEURON)
    assert first.weight.tolist() == [[True] * 3, [False] * 3]
    assert second.weight.tolist() == [[False, False], [True, False]]
    assert last.weight.tolist() == [[False, True], [False, True]]


def test_a_removed_weight_takes_nothing_with_it() -> None:
    kept = [torch.tensor([[True, False, True], [True] * 3]), torch.tensor([[True, True], [False, True]])]
    first, second, last = layer_masks(network(), kept, Granularity.WEIGHT)
    assert torch.equal(first.weight, kept[0])
    assert torch.equal(second.weight, kept[1])
    assert last.weight.all()
    assert first.bias.all()


def test_a_neuron_is_live_only_on_a_path_from_an_input_to_an_output() -> None:
    # Neuron 2 of layer 1 has inputs but feeds only neuron 2 of layer 2, whose own inputs are then its alone.
    no_inputs = [torch.tensor([[False] * 3, [True] * 3]), torch.tensor([[True, False], [True, True]])]
    masks = layer_masks(network(), no_inputs, Granularity.WEIGHT)
    assert [live.tolist() for live in live_neurons(masks)] == [[False, True], [False, True]]
    no_consumers = [torch.tensor([[True] * 3, [True] * 3]), torch.tensor([[True, False], [True, False]])]
    masks = layer_masks(network(), no_consumers, Granularity.WEIGHT)
    assert [live.tolist() for live in live_neurons(masks)] == [[True, False], [True, True]]
