"""A method applied: granularity x score x scope at a percentage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from prunelab.config import Granularity, Method
from prunelab.plugins import imported
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.masks import LayerMask, layer_masks, masked
from prunelab.pruning.selection import select

Score = Callable[[nn.Module, Calibration], list[Tensor]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned network: `kept` says per hidden layer which units stay, `masks` the same per linear layer.

    What does not stay is zero in `network`, and every recovery keeps it so.
    """

    network: nn.Module
    kept: list[Tensor]
    masks: list[LayerMask]
    granularity: Granularity

    def with_network(self, network: nn.Module) -> Pruned:
        """The same masks on another network; what they remove is set to zero in it, whoever changed it."""
        return replace(self, network=masked(network, self.masks))


def score_of(method: Method) -> Score:
    """The function behind `method.score`.

    Raises:
        ConfigError: if there is none.
    """
    path = method.score
    if "." not in path:
        path = f"prunelab.pruning.scores.{method.granularity.value}.{path}"
    score: Score = imported(path, "method.score")
    return score


def prune(network: nn.Module, method: Method, percentage: float, calibration: Calibration) -> Pruned:
    """The network pruned by `method`: a copy; `network` is left as it is."""
    scores = [score.cpu() for score in score_of(method)(network, calibration)]  # where ranking is deterministic
    device = calibration.images.device
    kept = [units.to(device) for units in select(scores, percentage, method.scope, method.min_keep)]
    masks = layer_masks(network, kept, method.granularity)
    return Pruned(masked(network, masks), kept, masks, method.granularity)
