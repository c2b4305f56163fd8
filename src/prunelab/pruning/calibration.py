"""Training images that scores and recoveries look at, and what a network makes of them layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab.data.dataset import Split
from prunelab.network.layers import linear_layers


@dataclass(frozen=True, slots=True)
class Calibration:
    """Some of the training images, never any other; `seed` also drives scores that are random.

    `images` float32 [n, features], `labels` int64 [n] (for scores that use gradients; least squares needs none).
    """

    images: Tensor
    labels: Tensor
    seed: int


def calibration(train: Split, images: int, seed: int) -> Calibration:
    """At most `images` training images drawn with `seed`."""
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:images]
    return Calibration(train.images[chosen], train.labels[chosen], seed)


@contextmanager
def recorded_inputs(network: nn.Module) -> Iterator[list[Tensor]]:
    """What each linear layer is given ([n, in]) by the forward passes inside the block, appended in order."""
    inputs: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
        for layer in linear_layers(network)
    ]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def layer_inputs(network: nn.Module, images: Tensor) -> list[Tensor]:
    """What each linear layer is given ([n, in]) when the network sees the images."""
    with recorded_inputs(network) as inputs:
        network(images)
    return inputs


@torch.no_grad()
def layer_outputs(network: nn.Module, images: Tensor) -> list[Tensor]:
    """What each linear layer computes ([n, out]), before its activation, when the network sees the images."""
    outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda module, given, output: outputs.append(output))
        for layer in linear_layers(network)
    ]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


@torch.no_grad()
def passing(network: nn.Module, images: Tensor) -> Iterator[tuple[nn.Linear, Tensor]]:
    """Each linear layer and what it is given ([n, in]), as the images pass; what is changed in it counts from there on.

    A network that is no `nn.Sequential` of its layers sees the images anew for each of them.
    """
    if not isinstance(network, nn.Sequential):
        for index, layer in enumerate(linear_layers(network)):
            yield layer, layer_inputs(network, images)[index]
        return
    given = images
    for module in network:
        if isinstance(module, nn.Linear):
            yield module, given
        given = module(given)
