"""Counts: weights, neurons, parameters and multiply-adds, dense and remaining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from prunelab.config import Granularity
from prunelab.network.layers import hidden_layers, linear_layers
from prunelab.pruning.masks import live_neurons
from prunelab.pruning.prune import Pruned


@dataclass(frozen=True, slots=True)
class Size:
    """Whole-network counts, output layer included, except `neurons` and `layers`, which count hidden layers.

    `parameters` are weights and biases. `multiply_adds` are those of one image: one per weight. `layers` counts the
    method's own units (weights or neurons) in each hidden layer; `multiply_adds_per_layer` has the output layer too.
    """

    weights: int
    neurons: int
    parameters: int
    multiply_adds: int
    layers: tuple[int, ...]
    multiply_adds_per_layer: tuple[int, ...]


def dense_size(network: nn.Module, granularity: Granularity) -> Size:
    """Of a network from which nothing was removed."""
    layers = linear_layers(network)
    weights = sum(layer.weight.numel() for layer in layers)
    hidden = hidden_layers(network)
    return Size(
        weights=weights,
        neurons=sum(layer.out_features for layer in hidden),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=weights,
        layers=tuple(
            layer.weight.numel() if granularity is Granularity.WEIGHT else layer.out_features for layer in hidden
        ),
        multiply_adds_per_layer=tuple(layer.weight.numel() for layer in layers),
    )


def remaining_size(pruned: Pruned) -> Size:
    """Of a pruned network: for neurons what a compacted network holds, for weights the weights that stay.

    A neuron counts as remaining as long as a path of weights leads through it from an input to an output.
    """
    per_layer = tuple(int(mask.weight.sum()) for mask in pruned.masks)
    weights = sum(per_layer)
    biases = sum(
        int(mask.bias.sum())
        for mask, layer in zip(pruned.masks, linear_layers(pruned.network), strict=True)
        if layer.bias is not None
    )
    return Size(
        weights=weights,
        neurons=_neurons(pruned),
        parameters=weights + biases,
        multiply_adds=weights,
        layers=tuple(int(kept.sum()) for kept in pruned.kept),
        multiply_adds_per_layer=per_layer,
    )


def ratio(dense: int, remaining: int) -> float:
    """Dense / remaining, with at least one remaining counted so that nothing left gives a number."""
    return dense / max(remaining, 1)


def emptied_layers(layers: Sequence[int]) -> list[int]:
    """Numbers (from 1) of the hidden layers in which nothing remains."""
    return [number for number, units in enumerate(layers, start=1) if units == 0]


def _neurons(pruned: Pruned) -> int:
    if pruned.granularity is Granularity.NEURON:
        return sum(int(kept.sum()) for kept in pruned.kept)
    return sum(int(live.sum()) for live in live_neurons(pruned.masks))
