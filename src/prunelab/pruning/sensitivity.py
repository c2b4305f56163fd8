"""Layer sensitivity analysis, and the ranking of units across layers that follows from it.

The sensitivity of a layer is a curve: the mean Kullback-Leibler divergence of the pruned network's predictions from the
unpruned one's, over calibration images, when only this layer loses the lowest 1/8, 2/8, ... of its units (the analysis
of Li et al. 2017 and Han et al. 2015, without labels). Units are removed where the curves rise least for what is saved:
a unit's rank is the slope of the convex hull of its layer's curve at the unit's position. Under the assumption that the
divergences of layers add up, removing units in this order is optimal: a sum of convex curves under a budget is
minimised greedily by slope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph
from prunelab.graph.masks import masked
from prunelab.graph.trace import evaluating
from prunelab.pruning.calibration import Calibration, logits_of
from prunelab.pruning.granularity import Granularity
from prunelab.pruning.selection import check_numbers

LEVELS = 8
"""Points of each curve."""
IMAGES = 1000
"""Largest number of calibration images used."""


def by_sensitivity(
    network: nn.Module,
    graph: Graph,
    granularity: Granularity,
    scores: Sequence[Tensor],
    calibration: Calibration,
    cost: Callable[[list[Tensor]], int],
) -> list[Tensor]:
    """A rank for each unit, float64 in the shapes of `scores`; the lowest are removed first.

    Within a layer the order is that of `scores`; an infinite score stays infinite. `cost`: what the units that stay
    (bool, in the shapes of `scores`) leave of the units, parameters or MACs to be saved.

    Raises:
        PrunelabError: if the network's outputs are not logits, or a score is NaN.
    """
    check_numbers(scores)
    curves = sensitivities(network, graph, granularity, scores, calibration)
    whole = cost(_without(scores, 0, 0)) if scores else 0
    slopes, places = [], []
    for index, (score, curve) in enumerate(zip(scores, curves, strict=True)):
        saved = max(whole - cost(_without(scores, index, score.numel())), 1)
        place = torch.empty(score.numel(), dtype=torch.float64)
        place[score.flatten().sort(stable=True).indices] = torch.arange(score.numel(), dtype=torch.float64)
        segment = (place * LEVELS / score.numel()).long()
        slopes.append(convex_slopes(curve)[segment] * LEVELS / saved)
        places.append(place / score.numel())
    order = _lexicographic(torch.cat(slopes), torch.cat(places)) if slopes else torch.zeros(0, dtype=torch.float64)
    parts = torch.split(order, [score.numel() for score in scores])
    return [
        torch.where(torch.isposinf(score), torch.inf, part.reshape(score.shape))
        for score, part in zip(scores, parts, strict=True)
    ]


@torch.no_grad()
def sensitivities(
    network: nn.Module, graph: Graph, granularity: Granularity, scores: Sequence[Tensor], calibration: Calibration
) -> list[Tensor]:
    """The curve of each layer, float64 [LEVELS + 1]: divergence in nats when 0/8, 1/8, ..., 8/8 of its units go."""
    images = calibration.first(graph).images[:IMAGES]
    with evaluating(network):
        expected = logits_of(network, images).double().log_softmax(1)
    curves = []
    for index, score in enumerate(scores):
        curve = torch.zeros(LEVELS + 1, dtype=torch.float64)
        for level in range(1, LEVELS + 1):
            mask = granularity.mask(graph, _without(scores, index, score.numel() * level // LEVELS))
            pruned = masked(network, {name: stays.to(images.device) for name, stays in mask.items()})
            with evaluating(pruned):
                found = logits_of(pruned, images).double().log_softmax(1)
            curve[level] = (expected.exp() * (expected - found)).sum(1).mean()
        curves.append(curve)
    return curves


def convex_slopes(curve: Tensor) -> Tensor:
    """Slopes [n] of the lower convex hull of the points (0, curve[0]), (1, curve[1]), ..., (n, curve[n])."""
    slopes = torch.empty(len(curve) - 1, dtype=curve.dtype)
    at = 0
    while at < len(slopes):
        rises = (curve[at + 1 :] - curve[at]) / torch.arange(1, len(curve) - at, dtype=curve.dtype)
        lowest = int(rises.argmin())
        slopes[at : at + lowest + 1] = rises[lowest]
        at += lowest + 1
    return slopes


def _without(scores: Sequence[Tensor], index: int, count: int) -> list[Tensor]:
    """The selection that removes only the lowest `count` units of one layer."""
    kept = [torch.ones(score.shape, dtype=torch.bool) for score in scores]
    lowest = scores[index].flatten().sort(stable=True).indices[:count]
    kept[index].view(-1)[lowest] = False
    return kept


def _lexicographic(first: Tensor, second: Tensor) -> Tensor:
    """Each entry's rank when sorted by `first`, ties by `second`: float64 [n]."""
    order = second.sort(stable=True).indices
    order = order[first[order].sort(stable=True).indices]
    places = torch.empty(len(order), dtype=torch.float64)
    places[order] = torch.arange(len(order), dtype=torch.float64)
    return places
