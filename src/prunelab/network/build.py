"""Build a network from its configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import nn

from prunelab.config import Model
from prunelab.errors import ConfigError
from prunelab.network.checkpoint import load_checkpoint
from prunelab.plugins import imported


def build(model: Model, shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    """The network that `model` names, initialised from `seed` alone, then loaded from its checkpoint if it has one.

    `model.network` is any callable that returns an `nn.Module`. Its arguments are the keys of the YAML file, and those
    of the following that it has a parameter for: `shape` (channels, rows, columns), `classes` or `num_classes`,
    `channels` or `in_channels`, `features` (numbers per image).

    Raises:
        ConfigError: if the callable does not exist, rejects its arguments, or does not return a module.
    """
    function = imported(model.network, "model.network")
    given = {**from_data(function, model.network, shape, classes), **model.options}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = function(**given)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model={model.name} is refused: {model.network} says: {error}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(
            f"model.network={model.network} is refused: it gives a {type(network).__name__}; it accepts a callable "
            "that returns a torch.nn.Module"
        )
    if model.checkpoint is not None:
        load_checkpoint(network, model.checkpoint)
    return network


def from_data(function: Callable[..., Any], path: str, shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """The arguments known from the data for which `function` has a parameter."""
    known = {
        "shape": shape,
        "classes": classes,
        "num_classes": classes,
        "channels": shape[0],
        "in_channels": shape[0],
        "features": prod(shape),
    }
    try:
        taken = set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}
    if path.startswith("torchvision.models."):  # its builders take num_classes in **kwargs
        taken.add("num_classes")
    return {name: value for name, value in known.items() if name in taken}
