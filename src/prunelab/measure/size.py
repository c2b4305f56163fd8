"""Counts: weights, neurons, parameters and multiply-adds, dense and remaining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from prunelab.graph.graph import Graph
from prunelab.graph.masks import Mask
from prunelab.pruning.compaction import live_units
from prunelab.pruning.granularity import Granularity, Neuron
from prunelab.pruning.prune import Pruned


@dataclass(frozen=True, slots=True)
class Size:
    """Counts of a whole network.

    `weights`: of all layers. `neurons`: units. `parameters`: everything trainable. `multiply_adds`: MACs per image, one
    for each weight and position, and those of attention. `layers`: the method's own units in each of its layers;
    `multiply_adds_per_layer`: of every layer, including the output layer.
    """

    weights: int
    neurons: int
    parameters: int
    multiply_adds: int
    layers: tuple[int, ...]
    multiply_adds_per_layer: tuple[int, ...]


def dense_size(graph: Graph, granularity: Granularity) -> Size:
    """The counts of a network from which nothing was removed."""
    return _size(graph, {}, graph.units, [prod(shape) for shape in granularity.shapes(graph)])


def remaining_size(pruned: Pruned) -> Size:
    """The counts of a pruned network: for neurons what a compacted network holds, for weights the weights that stay.

    A neuron counts as remaining as long as a path of weights leads through it from an input to an output.
    """
    units = pruned.units_kept if isinstance(pruned.granularity, Neuron) else live_units(pruned)
    return _size(pruned.graph, pruned.mask, int(units.sum()), [int(kept.sum()) for kept in pruned.kept])


def _size(graph: Graph, mask: Mask, neurons: int, layers: Sequence[int]) -> Size:
    left = {name: int(mask[name].sum()) if name in mask else prod(graph.shapes[name]) for name in graph.parameters}
    per_layer = tuple(layer.positions * left[layer.weight] for layer in graph.layers)
    return Size(
        weights=sum(left[layer.weight] for layer in graph.layers),
        neurons=neurons,
        parameters=sum(left.values()),
        multiply_adds=sum(per_layer) + graph.other_multiply_adds,
        layers=tuple(layers),
        multiply_adds_per_layer=per_layer,
    )


def ratio(dense: int, remaining: int) -> float:
    """Dense / remaining; if nothing remains, 1 is used in its place, so that the ratio is finite."""
    return dense / max(remaining, 1)
