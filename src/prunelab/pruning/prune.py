"""Apply a method (granularity x criterion x scope) at a percentage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.choices import GranularityName, PercentageOf, Scope
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph
from prunelab.graph.masks import Mask, masked
from prunelab.graph.trace import evaluating
from prunelab.plugins import imported
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.granularity import Granularity, granularity_of
from prunelab.pruning.selection import removed_count, select
from prunelab.pruning.sensitivity import by_sensitivity

Criterion = Callable[[nn.Module, Graph, Calibration], Any]


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned network.

    `network`: the masked network, with zeros in place of what was removed. Every recovery must keep them zero.
    `kept`: for each layer of the granularity, which of its rankable units stay: bool, in the shapes of the scores.
    `mask`: the same per parameter.
    """

    network: nn.Module
    graph: Graph
    kept: list[Tensor]
    mask: Mask
    granularity: Granularity

    @property
    def units_kept(self) -> Tensor:
        """The units of the graph that were not removed as a whole: bool [units]."""
        return self.granularity.units_kept(self.graph, self.kept)

    def with_network(self, network: nn.Module) -> Pruned:
        """The same masks on a copy of another network, with zeros in place of what they remove."""
        return replace(self, network=masked(network, self.mask))


def criterion_of(method: Method) -> Criterion:
    """The criterion that `method.score` names.

    Raises:
        ConfigError: if it does not exist, or does not take (network, graph, calibration).
    """
    path = method.score
    if "." not in path:
        path = f"prunelab.pruning.criteria.{granularity_of(method).criteria}.{path}"
    criterion: Criterion = imported(path, "method.score")
    try:
        signature(criterion).bind(None, None, None)
    except TypeError as error:
        raise ConfigError(
            f"method.score={path} is refused: it names no function of (network, graph, calibration) ({error})"
        ) from error
    except ValueError:  # a function written in C without a signature; calling it will tell
        pass
    return criterion


def prune(
    network: nn.Module,
    graph: Graph,
    method: Method,
    percentage: float,
    calibration: Calibration,
    percentage_of: PercentageOf = PercentageOf.UNITS,
) -> Pruned:
    """Prune a copy of `network` by `method`; `network` itself does not change.

    Raises:
        ConfigError: if the percentage cannot be removed, or the criterion returns something other than saliencies.
    """
    granularity = granularity_of(method)
    granularity.check(graph, percentage)
    with evaluating(network):
        saliency = criterion_of(method)(network, graph, calibration)
    try:
        # Ranking is deterministic on the CPU.
        scores = [score.detach().cpu() for score in granularity.scores(graph, saliency)]
        _check_shapes(granularity, graph, saliency, scores)
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise ConfigError(
            f"method.score={method.score} gives something else than its granularity takes, which is a tensor "
            f"[{graph.units}] for neurons and a dict of tensors by the names of the weights otherwise ({error})"
        ) from error
    total = sum(score.numel() for score in scores)
    scope = method.scope
    cost = _cost_of_choices(graph, granularity, percentage_of)
    if scope is Scope.SENSITIVITY:
        scores = by_sensitivity(network, graph, granularity, scores, calibration, cost)
        scope = Scope.GLOBAL

    def choice(count: int) -> list[Tensor]:
        return select(scores, count, scope, method.min_keep)

    if percentage_of is PercentageOf.UNITS:
        count = removed_count(percentage, total)
    else:
        count = _count(percentage, total, lambda count: cost(choice(count)), percentage_of)
    kept = choice(count)
    mask = {name: stays.to(calibration.images.device) for name, stays in granularity.mask(graph, kept).items()}
    return Pruned(masked(network, mask), graph, kept, mask, granularity)


def _check_shapes(granularity: Granularity, graph: Graph, saliency: Any, scores: Sequence[Tensor]) -> None:
    for layer, score, shape in zip(granularity.layers(graph), scores, granularity.shapes(graph), strict=True):
        if score.shape != shape:
            raise TypeError(f"layer {layer} has {list(shape)} units, their scores are {list(score.shape)}")
    if isinstance(saliency, Tensor) and saliency.shape != (graph.units,):
        raise TypeError(f"it gives a tensor {list(saliency.shape)}")


def _cost_of_choices(graph: Graph, granularity: Granularity, what: PercentageOf) -> Callable[[list[Tensor]], int]:
    """A function: what a selection of units leaves of what the percentage counts (units, parameters or MACs)."""
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


def check(graph: Graph, method: Method, percentage: float, percentage_of: PercentageOf) -> None:
    """Check, before any work, that the method can remove the percentage from the network.

    Raises:
        ConfigError: saying what is accepted.
    """
    granularity = granularity_of(method)
    granularity.check(graph, percentage)
    criterion_of(method)
    if method.scope is Scope.SENSITIVITY and method.granularity is GranularityName.N_M:
        raise ConfigError(
            "method.scope=sensitivity is refused with method.granularity=n_m, where every layer loses the same share: "
            "it accepts global, global_normalised, layer"
        )
    if not granularity.layers(graph):
        reasons = "; ".join(f"{name}: {why}" for name, why in list(graph.whole.items())[:5])
        raise ConfigError(f"method={method.name} is refused: the network has no unit that it could remove ({reasons})")
    limit = most(graph, method, percentage_of)
    if percentage > limit:
        raise ConfigError(
            f"percentage={percentage:g} of {percentage_of.value} is refused: with every unit that method="
            f"{method.name} can remove {limit:.1f}% are gone; it accepts a number up to that"
        )


def _count(percentage: float, total: int, cost: Callable[[int], int], what: PercentageOf) -> int:
    """The largest number of units whose removal saves at most `percentage` percent of the cost.

    `cost`: what is left of it when so many units are removed, decreasing because selections nest.
    """
    whole = cost(0)
    allowed = removed_count(percentage, whole)
    if whole - cost(total) < allowed:
        raise ConfigError(f"percentage={percentage:g} of {what.value} is refused: so much cannot be removed")
    low, high = 0, total
    while low < high:
        middle = (low + high + 1) // 2
        if whole - cost(middle) <= allowed:
            low = middle
        else:
            high = middle - 1
    return low
