"""Scores of weights: [out, in] per hidden layer."""

from __future__ import annotations

from torch import Tensor, nn

from prunelab.network.layers import hidden_layers


def magnitude(network: nn.Module) -> list[Tensor]:
    """|w| (Janowsky 1989; Han et al. 2015)."""
    return [layer.weight.detach().abs() for layer in hidden_layers(network)]
