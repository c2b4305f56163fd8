"""A pruned network made physically smaller: what was removed is gone, not zero.

Neurons that weight pruning left without inputs give a constant: it is added to what their consumers add, and they go.
Neurons that nothing reads go too.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab.network.layers import linear_layers, set_parameters
from prunelab.pruning.calibration import layer_inputs
from prunelab.pruning.masks import LayerMask, constant_neurons, live_neurons


@dataclass(frozen=True, slots=True)
class Compacted:
    """A smaller network, and which neurons of the dense one it holds: `kept`, bool [out] per hidden layer."""

    network: nn.Module
    kept: list[Tensor]


@torch.no_grad()
def compact(network: nn.Module, masks: Sequence[LayerMask]) -> Compacted:
    """The smallest network of the same layers that computes what the masked `network` computes.

    A layer without a bias is given one where the neurons it loses were constant and not zero.
    """
    folded = copy.deepcopy(network)
    layers = linear_layers(folded)
    image = layers[0].weight.new_zeros(1, layers[0].in_features)  # a constant is the same for every image
    for index, columns in enumerate(constant_neurons(masks), start=1):
        layer, given = layers[index], layer_inputs(folded, image)[index][0]
        offset = layer.weight[:, columns] @ given[columns]
        if offset.any():
            layer.bias = nn.Parameter(offset if layer.bias is None else layer.bias + offset)
        layer.weight[:, columns] = 0
    kept = live_neurons(masks)
    return Compacted(select_neurons(folded, kept), kept)


def select_neurons(network: nn.Module, kept: Sequence[Tensor]) -> nn.Module:
    """A copy with only the neurons of `kept` (bool [out] per hidden layer): rows, biases and consumers' columns."""
    smaller = copy.deepcopy(network)
    for layer, (rows, columns) in zip(linear_layers(smaller), _ends(network, kept), strict=True):
        set_parameters(layer, layer.weight.detach()[rows][:, columns], None if layer.bias is None else layer.bias[rows])
    return smaller


@torch.no_grad()
def restore_neurons(smaller: nn.Module, network: nn.Module, kept: Sequence[Tensor]) -> nn.Module:
    """The inverse of `select_neurons`: a copy of `network` with the smaller one's weights in place, zeros elsewhere."""
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
