"""Rank units by a method's criterion. The percentage has no part in it, so that one ranking serves every percentage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.choices import PercentageOf, Scope
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph
from prunelab.graph.trace import evaluating
from prunelab.plugins import imported
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.cost import cost_of_choices
from prunelab.pruning.granularity import Granularity, granularity_of
from prunelab.pruning.selection import check_numbers
from prunelab.pruning.sensitivity import by_sensitivity

Criterion = Callable[[nn.Module, Graph, Calibration], Any]


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


def ranking(
    network: nn.Module, graph: Graph, method: Method, calibration: Calibration, percentage_of: PercentageOf
) -> list[Tensor]:
    """A number for each unit, in the shapes of the granularity, on the CPU: within its scope the lowest are removed.

    Raises:
        ConfigError: if the criterion changes the network, or returns something other than saliencies.
    """
    granularity = granularity_of(method)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with evaluating(network):
        saliency = criterion_of(method)(network, graph, calibration)
    for name, value in network.state_dict().items():
        if not torch.equal(value, before[name]) and not value.isnan().any():
            raise ConfigError(
                f"method.score={method.score} is refused: it changed {name} of the network; a criterion must leave the "
                "network as it is (work on copy.deepcopy(network))"
            )
    try:
        # Ranking is deterministic on the CPU.
        scores = [score.detach().cpu() for score in granularity.scores(graph, saliency)]
        _check_shapes(granularity, graph, saliency, scores)
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"method.score={method.score} returned something that its granularity does not accept: expected a tensor "
            f"[{graph.units}] for neurons, otherwise a dict of tensors by the names of the weights ({reason})"
        ) from error
    check_numbers(scores, granularity.layers(graph))
    if method.scope is Scope.SENSITIVITY:
        cost = cost_of_choices(graph, granularity, percentage_of)
        scores = by_sensitivity(network, graph, granularity, scores, calibration, cost)
    return scores


def _check_shapes(granularity: Granularity, graph: Graph, saliency: Any, scores: Sequence[Tensor]) -> None:
    for layer, score, shape in zip(granularity.layers(graph), scores, granularity.shapes(graph), strict=True):
        if score.shape != shape:
            raise TypeError(f"layer {layer} has {list(shape)} units, their scores are {list(score.shape)}")
    if isinstance(saliency, Tensor) and saliency.shape != (graph.units,):
        raise TypeError(f"it gives a tensor {list(saliency.shape)}")
