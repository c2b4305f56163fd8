"""An untrained network made to tell its channels apart, so that what goes wrong with some of them shows.

Initialisation leaves numbers that are the same for all channels (a normalisation's), and some that hide what the layers
compute: an output layer of zeros, a layer scale of 1e-6, statistics with which the signal dies away.
"""

from __future__ import annotations

import copy
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

OFFSET = 0.1
"""Of the means that are drawn, relative to the root mean square."""


def lively(network: nn.Module) -> nn.Module:
    """The network, or if a parameter is one number throughout a copy with random ones in its place.

    The copy shares all other parameters with the network: it is for trying things on, not for changing.
    """
    generator = torch.Generator().manual_seed(0)
    parameters = list(network.parameters())
    shown = {id(value): _drawn(value, generator) if _is_constant(value) else value for value in parameters}
    if all(shown[id(value)] is value for value in parameters):
        return network
    return copy.deepcopy(network, shown)


@torch.no_grad()
def normalise(network: nn.Module, images: Tensor) -> None:
    """Give batch normalisations that have seen no images statistics with which the signal stays of one size; in place.

    The variance is the mean square of what the images give each channel, the mean a small random number: true means
    would cancel most of an image that shows little, and let rounding errors grow from layer to layer.
    """
    hooks = [
        module.register_forward_pre_hook(_normalise)
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.running_var is not None and _is_constant(module.running_var)
    ]
    if hooks:
        try:
            network(images)
        finally:
            for hook in hooks:
                hook.remove()


def _normalise(module: nn.Module, given: tuple[Tensor, ...]) -> None:
    assert isinstance(module, _BatchNorm)
    assert module.running_mean is not None
    assert module.running_var is not None
    squares = given[0].movedim(1, -1).flatten(0, -2).square().mean(0)
    if bool(squares.any()):
        squares = squares.clamp_min(float(OFFSET * squares.mean()))  # channels of zeros, too
        signs = torch.randn(squares.shape, generator=torch.Generator().manual_seed(len(squares))).to(squares)
        module.running_var.copy_(squares)
        module.running_mean.copy_(OFFSET * squares.sqrt() * signs)


def _is_constant(value: Tensor) -> bool:
    return value.numel() > 1 and value.is_floating_point() and bool((value == value.flatten()[0]).all())


def _drawn(value: Tensor, generator: torch.Generator) -> Tensor:
    """About as large as a trained network's: around 0 for matrices and what was 0, around 1 otherwise."""
    drawn = torch.rand(value.shape, generator=generator)
    inputs = prod(value.shape[1:])
    around_zero = inputs > 1 or not bool(value.flatten()[0])
    drawn = (drawn - 0.5) / max(inputs, 1) ** 0.5 if around_zero else drawn + 0.5
    return nn.Parameter(drawn.to(value), value.requires_grad)
