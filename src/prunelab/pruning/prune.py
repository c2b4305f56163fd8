"""A method applied: granularity x score x scope at a percentage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from prunelab.config import Granularity, Method
from prunelab.plugins import imported
from prunelab.pruning.masks import LayerMask, layer_masks, masked
from prunelab.pruning.selection import select

Score = Callable[[nn.Module], list[Tensor]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned network: `kept` says per hidden layer which units stay, `masks` the same per linear layer."""

    network: nn.Module
    kept: list[Tensor]
    masks: list[LayerMask]
    granularity: Granularity


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


def prune(network: nn.Module, method: Method, percentage: float) -> Pruned:
    """The network pruned by `method`: a copy; `network` is left as it is."""
    kept = select(score_of(method)(network), percentage, method.scope)
    masks = layer_masks(network, kept, method.granularity)
    return Pruned(masked(network, masks), kept, masks, method.granularity)
