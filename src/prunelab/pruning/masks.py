"""What stays of each layer, in one form for weights and neurons alike, and the network with the rest set to zero."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab.config import Granularity
from prunelab.network.layers import linear_layers


@dataclass(frozen=True, slots=True)
class LayerMask:
    """What stays of one linear layer: `weight` bool [out, in], `bias` bool [out] (also where the layer has none)."""

    weight: Tensor
    bias: Tensor


def layer_masks(network: nn.Module, kept: Sequence[Tensor], granularity: Granularity) -> list[LayerMask]:
    """The masks of all linear layers, the output layer included, from the units kept in each hidden layer.

    A removed neuron takes with it its incoming weights, its bias, and its consumers' weights: what a physically
    smaller network would not hold. A removed weight takes nothing with it.
    """
    layers = linear_layers(network)
    if granularity is Granularity.WEIGHT:
        hidden = [LayerMask(mask, mask.new_ones(mask.shape[0])) for mask in kept]
        return [*hidden, _everything(layers[-1])]
    outputs = [*kept, _everything(layers[-1]).bias]
    inputs = [torch.ones(layers[0].in_features, dtype=torch.bool, device=kept[0].device), *kept]
    return [LayerMask(row.unsqueeze(1) & column.unsqueeze(0), row) for row, column in zip(outputs, inputs, strict=True)]


def masked(network: nn.Module, masks: Sequence[LayerMask]) -> nn.Module:
    """A copy of the network in which what does not stay is zero; the network itself is left as it is."""
    pruned = copy.deepcopy(network)
    apply(linear_layers(pruned), masks)
    return pruned


@torch.no_grad()
def apply(layers: Sequence[nn.Linear], masks: Sequence[LayerMask]) -> None:
    """Set to zero, in place, what does not stay."""
    for layer, mask in zip(layers, masks, strict=True):
        layer.weight.mul_(mask.weight)
        if layer.bias is not None:
            layer.bias.mul_(mask.bias)


def constant_neurons(masks: Sequence[LayerMask]) -> list[Tensor]:
    """Per hidden layer, which neurons ([out]) no input reaches: they give the same for every image."""
    constant = [~masks[0].weight.any(1)]
    for mask in masks[1:-1]:
        constant.append(~(mask.weight & ~constant[-1]).any(1))
    return constant


def live_neurons(masks: Sequence[LayerMask]) -> list[Tensor]:
    """Per hidden layer, which neurons ([out]) lie on a path of weights from an input to an output."""
    live = [~constant for constant in constant_neurons(masks)]
    for index in range(len(live) - 1, -1, -1):
        consumers = masks[index + 1].weight
        if index + 1 < len(live):
            consumers = consumers[live[index + 1]]
        live[index] = live[index] & consumers.any(0)
    return live


def _everything(layer: nn.Linear) -> LayerMask:
    return LayerMask(
        torch.ones_like(layer.weight, dtype=torch.bool),
        torch.ones(layer.out_features, dtype=torch.bool, device=layer.weight.device),
    )
