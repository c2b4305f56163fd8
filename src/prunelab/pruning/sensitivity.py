"""How sensitive a network is to pruning in each layer, and the ranking across layers that follows from it.

A layer's sensitivity is a curve: the mean Kullback-Leibler divergence of the network's predictions from the unpruned
one's, over calibration images, when only that layer loses the lowest 1/8, 2/8, ... of its units (the analysis of Li et
al. 2017 and Han et al. 2015, without labels). Units are then removed where the curves rise least for what is saved: a
unit's rank is the slope of its layer's curve, made convex, at the unit's place. Minimising a sum of convex curves under
a budget is greedy in their slopes; that the divergences of layers add up is the assumption.
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
"""How many of the calibration images it is measured on, at most."""


def by_sensitivity(
    network: nn.Module,
    graph: Graph,
    granularity: Granularity,
    scores: Sequence[Tensor],
    calibration: Calibration,
    cost: Callable[[list[Tensor]], int],
) -> list[Tensor]:
    """A rank for each unit, float64 in the shapes of `scores`: those of the lowest rank go first.

    Within a layer the order is that of `scores`, an infinite score stays infinite. `cost` is what a choice of units
    that stay (bool, in the shapes of `scores`) leaves of what is to be saved.

    Raises:
        PrunelabError: if the network gives no logits, or a score is not a number.
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
    """A curve for each layer of the granularity, float64 [LEVELS + 1]: divergence in nats, from none of it removed to
    all.
    """
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
    """Slopes [n] of the greatest convex function below the points (0, curve[0]), (1, curve[1]), ..., (n, curve[n])."""
    slopes = torch.empty(len(curve) - 1, dtype=curve.dtype)
    at = 0
    while at < len(slopes):
        rises = (curve[at + 1 :] - curve[at]) / torch.arange(1, len(curve) - at, dtype=curve.dtype)
        lowest = int(rises.argmin())
        slopes[at : at + lowest + 1] = rises[lowest]
        at += lowest + 1
    return slopes


def _without(scores: Sequence[Tensor], index: int, count: int) -> list[Tensor]:
    """Everything stays, but for the lowest `count` of one layer."""
    kept = [torch.ones(score.shape, dtype=torch.bool) for score in scores]
    lowest = scores[index].flatten().sort(stable=True).indices[:count]
    kept[index].view(-1)[lowest] = False
    return kept


def _lexicographic(first: Tensor, second: Tensor) -> Tensor:
    """Each entry's place when sorted by `first`, ties by `second`: float64 [n]."""
    order = second.sort(stable=True).indices
    order = order[first[order].sort(stable=True).indices]
    places = torch.empty(len(order), dtype=torch.float64)
    places[order] = torch.arange(len(order), dtype=torch.float64)
    return places
