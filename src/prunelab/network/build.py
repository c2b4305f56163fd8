"""A network from its config."""

from __future__ import annotations

import torch
from torch import nn

from prunelab.config import Model
from prunelab.errors import ConfigError
from prunelab.plugins import imported


def build(model: Model, features: int, classes: int, seed: int) -> nn.Module:
    """The network that `model` names, initialised from `seed` and nothing else.

    Raises:
        ConfigError: if the class does not exist or does not take the arguments that the config gives.
    """
    network_class = imported(model.network, "model.network")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = network_class(features=features, classes=classes, **model.arguments)
        except TypeError as error:
            raise ConfigError(f"model={model.name} is refused: {error}") from error
    assert isinstance(network, nn.Module)
    return network
