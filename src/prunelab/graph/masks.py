"""Masks: one bool tensor per pruned parameter, for every granularity."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph, by_number

Mask = Mapping[str, Tensor]
"""For each pruned parameter, by name, a bool tensor of its shape: true where it stays."""


def unit_mask(graph: Graph, kept: Tensor) -> dict[str, Tensor]:
    """The mask that removes all units but those of `kept` (bool [units])."""
    stays = by_number(kept)
    mask: dict[str, Tensor] = {}
    for name in graph.parameters:
        for slot in graph.by_tensor.get(name, ()):
            shape = [-1 if dim == slot.dim else 1 for dim in range(len(graph.shapes[name]))]
            along = stays[slot.units.to(kept.device)].reshape(shape)
            mask[name] = (mask[name] & along) if name in mask else along.expand(graph.shapes[name])
    return mask


@torch.no_grad()
def masked(network: nn.Module, mask: Mask) -> nn.Module:
    """A copy of the network with zeros where the mask is false; the network itself does not change."""
    zeroed = {
        id(parameter): nn.Parameter(parameter * mask[name], parameter.requires_grad)
        for name, parameter in network.named_parameters()
        if name in mask
    }
    return copy.deepcopy(network, zeroed)


@torch.no_grad()
def apply(network: nn.Module, mask: Mask) -> None:
    """Set parameters to zero, in place, where the mask is false."""
    for name, parameter in network.named_parameters():
        if name in mask:
            parameter.mul_(mask[name])
