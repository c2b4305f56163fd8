"""Each score on a network of three neurons, computed by hand."""

from __future__ import annotations

import torch
from torch import nn

from prunelab.pruning.scores import neuron, weight


def three_neurons() -> nn.Sequential:
    """Two inputs, three hidden neurons, two outputs."""
    network = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[3.0, -4.0], [1.0, 0.0], [-2.0, 2.0]]))
        network[2].weight.copy_(torch.tensor([[1.0, -2.0, 0.0], [0.0, 1.0, 5.0]]))
    return network


def test_magnitude_is_the_absolute_value() -> None:
    (scores,) = weight.magnitude(three_neurons())
    assert scores.tolist() == [[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]]


def test_l2_norm_is_of_the_incoming_weights() -> None:
    (scores,) = neuron.l2_norm(three_neurons())
    torch.testing.assert_close(scores, torch.tensor([5.0, 1.0, 8.0**0.5]))
