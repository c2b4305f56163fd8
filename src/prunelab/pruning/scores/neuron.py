"""Scores of neurons: [out] per hidden layer."""

from __future__ import annotations

from torch import Tensor, nn

from prunelab.network.layers import hidden_layers


def l2_norm(network: nn.Module) -> list[Tensor]:
    """Euclidean norm of a neuron's incoming weights (the report; Li et al. 2017 use L1 for filters)."""
    return [layer.weight.detach().norm(dim=1) for layer in hidden_layers(network)]
