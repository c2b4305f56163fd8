"""What of a network can be pruned: decided here, once."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from prunelab.errors import ConfigError


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """The linear layers in the order in which data passes them; the last one gives the logits and is never pruned.

    Raises:
        ConfigError: if the network has no hidden layer, or layers that do not follow one another.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if len(layers) < 2:
        raise ConfigError("the network has no hidden linear layer: there is nothing to prune")
    for before, after in pairwise(layers):
        if before.out_features != after.in_features:
            raise ConfigError(
                f"a linear layer with {before.out_features} outputs is followed by one with {after.in_features} "
                "inputs: only chains of linear layers can be pruned"
            )
    return layers


def hidden_layers(network: nn.Module) -> list[nn.Linear]:
    """The layers whose weights and neurons are rankable: all but the last."""
    return linear_layers(network)[:-1]


def set_parameters(layer: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    """Give a layer parameters of another size: `weight` [out, in], `bias` [out] or none."""
    layer.weight = nn.Parameter(weight.detach().clone())
    layer.register_parameter("bias", None if bias is None else nn.Parameter(bias.detach().clone()))
    layer.out_features, layer.in_features = weight.shape
