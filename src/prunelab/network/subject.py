"""The network of a job before training, and its graph, which is analysed once per process."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunelab.config import Model
from prunelab.data.dataset import Dataset
from prunelab.errors import ConfigError, NetworkError
from prunelab.fingerprint import fingerprint
from prunelab.graph.analyse import EXAMPLES, analyse
from prunelab.graph.graph import Graph
from prunelab.graph.trace import evaluating, run
from prunelab.network.build import build

_graphs: dict[str, Graph] = {}


def untrained(model: Model, dataset: Dataset, seed: int) -> nn.Module:
    """The network before training, on the data set's device."""
    return build(model, dataset.shape, len(dataset.classes), seed).to(dataset.device)


def graph_of(model: Model, dataset: Dataset) -> Graph:
    """The graph of a network, analysed on an instance that is initialised with seed 0.

    Raises:
        ConfigError: if the network cannot run on the images, does not return a logit per class, or cannot be traced.
    """
    key = fingerprint([model.model_dump(mode="json"), dataset.shape, len(dataset.classes)])
    if key not in _graphs:
        network = build(model, dataset.shape, len(dataset.classes), seed=0)
        images = dataset.train.take(EXAMPLES).cpu()
        try:
            _check_outputs(network, images, model, len(dataset.classes))
            _graphs[key] = analyse(network, images)
        except NetworkError as error:
            raise ConfigError(f"model={model.name} is refused: {error}") from error
    return _graphs[key]


def _check_outputs(network: nn.Module, images: Tensor, model: Model, classes: int) -> None:
    with evaluating(network), torch.no_grad():
        logits = run(network, images)
    if not isinstance(logits, Tensor) or logits.shape != (len(images), classes):
        given = list(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ConfigError(
            f"model={model.name} is refused: for {len(images)} images it gives {given}; the data set has {classes} "
            f"classes, so it accepts a network that gives [{len(images)}, {classes}]"
        )
