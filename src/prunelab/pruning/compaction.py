"""A pruned network made physically smaller, and its weights put back where they came from."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunelab.network.layers import linear_layers


def compact(network: nn.Module, kept: Sequence[Tensor]) -> nn.Module:
    """A copy with only the neurons of `kept` (bool [out] per hidden layer): rows, biases and consumers' columns."""
    smaller = copy.deepcopy(network)
    for layer, (rows, columns) in zip(linear_layers(smaller), _ends(network, kept), strict=True):
        layer.weight = nn.Parameter(layer.weight.detach()[rows][:, columns].clone())
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach()[rows].clone())
        layer.out_features, layer.in_features = layer.weight.shape
    return smaller


@torch.no_grad()
def expand(smaller: nn.Module, network: nn.Module, kept: Sequence[Tensor]) -> nn.Module:
    """The inverse of `compact`: a copy of `network` with the smaller one's weights in their places, zeros elsewhere."""
    whole = copy.deepcopy(network)
    ends = _ends(network, kept)
    for layer, small, (rows, columns) in zip(linear_layers(whole), linear_layers(smaller), ends, strict=True):
        layer.weight.zero_()
        layer.weight[rows.nonzero(), columns.nonzero().T] = small.weight
        if layer.bias is not None:
            layer.bias.zero_()
            layer.bias[rows] = small.bias
    return whole


def _ends(network: nn.Module, kept: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """(outputs, inputs) that stay of each linear layer."""
    layers = linear_layers(network)
    first = torch.ones(layers[0].in_features, dtype=torch.bool, device=layers[0].weight.device)
    last = torch.ones(layers[-1].out_features, dtype=torch.bool, device=layers[-1].weight.device)
    return list(zip([*kept, last], [first, *kept], strict=True))
