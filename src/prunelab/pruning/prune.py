"""Apply a method (granularity x criterion x scope) at a percentage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from prunelab.choices import GranularityName, PercentageOf, Scope
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph
from prunelab.graph.masks import Mask, masked
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.cost import cost_of_choices, most
from prunelab.pruning.granularity import Granularity, granularity_of
from prunelab.pruning.ranking import criterion_of, ranking
from prunelab.pruning.selection import removed_count, select


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


def prune(
    network: nn.Module,
    graph: Graph,
    method: Method,
    percentage: float,
    calibration: Calibration,
    percentage_of: PercentageOf = PercentageOf.UNITS,
    known: Sequence[Tensor] | None = None,
) -> Pruned:
    """Prune a copy of `network` by `method`; `network` itself does not change.

    `known`: the network's scores as `ranking` gives them, if somebody has them already.

    Raises:
        ConfigError: if the percentage cannot be removed, or the criterion returns something other than saliencies.
    """
    granularity = granularity_of(method)
    granularity.check(graph, percentage)
    scores = ranking(network, graph, method, calibration, percentage_of) if known is None else known
    total = sum(score.numel() for score in scores)
    # Sensitivity ranks the units of all layers together.
    scope = Scope.GLOBAL if method.scope is Scope.SENSITIVITY else method.scope

    def choice(count: int) -> list[Tensor]:
        return select(scores, count, scope, method.min_keep)

    if percentage_of is PercentageOf.UNITS:
        count = removed_count(percentage, total)
    else:
        cost = cost_of_choices(graph, granularity, percentage_of)
        count = _count(percentage, total, lambda count: cost(choice(count)), percentage_of)
    kept = choice(count)
    mask = {name: stays.to(calibration.images.device) for name, stays in granularity.mask(graph, kept).items()}
    return Pruned(masked(network, mask), graph, kept, mask, granularity)


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
            f"percentage={percentage:g} of {percentage_of.value} is refused: method="
            f"{method.name} can remove at most {limit:.1f}%; it accepts a number up to that"
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
