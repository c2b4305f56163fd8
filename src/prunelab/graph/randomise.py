"""Make the channels of an untrained network differ, so that trials notice when a wrong one is removed.

After initialisation some parameters are the same for all channels (normalisation), and some hide what the layers
compute: an output layer of zeros, a layer scale of 1e-6, or statistics that make the signal vanish.
"""

from __future__ import annotations

import copy
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

OFFSET = 0.1
"""Size of the random running means, relative to the root mean square of the channel's inputs."""


def randomised(network: nn.Module) -> nn.Module:
    """The network, or a copy with random values in place of every parameter whose values are all equal.

    The copy shares its other parameters with the network, so it must not be changed.
    """
    generator = torch.Generator().manual_seed(0)
    parameters = list(network.parameters())
    shown = {id(value): _drawn(value, generator) if _is_constant(value) else value for value in parameters}
    if all(shown[id(value)] is value for value in parameters):
        return network
    return copy.deepcopy(network, shown)


@torch.no_grad()
def normalise(network: nn.Module, images: Tensor) -> None:
    """Give untrained batch normalisation layers statistics that keep the scale of the signal; in place.

    The variance becomes the mean square of the channel's inputs for these images, the mean a small random number. The
    true means would cancel most of a nearly uniform image, and rounding errors would grow from layer to layer.
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
        squares = squares.clamp_min(float(OFFSET * squares.mean()))  # some channels may be all zeros
        signs = torch.randn(squares.shape, generator=torch.Generator().manual_seed(len(squares))).to(squares)
        module.running_var.copy_(squares)
        module.running_mean.copy_(OFFSET * squares.sqrt() * signs)


def _is_constant(value: Tensor) -> bool:
    return value.numel() > 1 and value.is_floating_point() and bool((value == value.flatten()[0]).all())


def _drawn(value: Tensor, generator: torch.Generator) -> Tensor:
    """Random values on the scale of a trained network: around 0 for matrices and zeros, otherwise around 1."""
    drawn = torch.rand(value.shape, generator=generator)
    inputs = prod(value.shape[1:])
    around_zero = inputs > 1 or not bool(value.flatten()[0])
    drawn = (drawn - 0.5) / max(inputs, 1) ** 0.5 if around_zero else drawn + 0.5
    return nn.Parameter(drawn.to(value), value.requires_grad)
