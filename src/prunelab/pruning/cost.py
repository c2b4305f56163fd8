"""What the percentage counts: units, parameters or multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from prunelab.choices import PercentageOf
from prunelab.config import Method
from prunelab.graph.graph import Graph
from prunelab.graph.masks import Mask
from prunelab.pruning.granularity import Granularity, granularity_of


def cost_of_choices(graph: Graph, granularity: Granularity, what: PercentageOf) -> Callable[[list[Tensor]], int]:
    """Returns a function that counts the units, parameters or MACs that remain with a selection of units."""
    if what is PercentageOf.UNITS:
        return lambda kept: sum(int(each.sum()) for each in kept)
    cost = costs(graph, what)
    return lambda kept: cost(granularity.mask(graph, kept))


def costs(graph: Graph, what: PercentageOf) -> Callable[[Mask], int]:
    """A function: the parameters or MACs that a mask leaves of the whole network."""
    if what is PercentageOf.PARAMETERS:
        factors, other = dict.fromkeys(graph.parameters, 1), 0
    else:
        factors, other = {layer.weight: layer.positions for layer in graph.layers}, graph.other_multiply_adds

    def cost(mask: Mask) -> int:
        left = {name: int(mask[name].sum()) if name in mask else prod(graph.shapes[name]) for name in factors}
        return other + sum(factor * left[name] for name, factor in factors.items())

    return cost


def most(graph: Graph, method: Method, percentage_of: PercentageOf) -> float:
    """The percentage that is removed if every rankable unit is."""
    granularity = granularity_of(method)
    shapes = granularity.shapes(graph)
    if percentage_of is PercentageOf.UNITS:
        return 100.0
    cost = costs(graph, percentage_of)
    nothing = granularity.mask(graph, [torch.zeros(shape, dtype=torch.bool) for shape in shapes])
    return 100 * (1 - cost(nothing) / max(cost({}), 1))
