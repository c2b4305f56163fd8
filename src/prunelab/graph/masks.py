"""Masks by parameter name: one form for every granularity."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph

Mask = Mapping[str, Tensor]
"""For each parameter of which something goes, a bool tensor of its shape: True where it stays."""


def unit_mask(graph: Graph, kept: Tensor) -> dict[str, Tensor]:
    """What stays of each parameter when only the units of `kept` (bool [units]) do."""
    stays = torch.cat([kept.new_ones(1), kept])
    mask: dict[str, Tensor] = {}
    for name in graph.parameters:
        for slot in graph.by_tensor.get(name, ()):
            shape = [-1 if dim == slot.dim else 1 for dim in range(len(graph.shapes[name]))]
            along = stays[slot.units.to(kept.device)].reshape(shape)
            mask[name] = (mask[name] & along) if name in mask else along.expand(graph.shapes[name])
    return mask


@torch.no_grad()
def masked(network: nn.Module, mask: Mask) -> nn.Module:
    """A copy of the network in which what does not stay is zero; the network itself is left as it is."""
    zeroed = {
        id(parameter): nn.Parameter(parameter * mask[name], parameter.requires_grad)
        for name, parameter in network.named_parameters()
        if name in mask
    }
    return copy.deepcopy(network, zeroed)


@torch.no_grad()
def apply(network: nn.Module, mask: Mask) -> None:
    """Set to zero, in place, what does not stay."""
    for name, parameter in network.named_parameters():
        if name in mask:
            parameter.mul_(mask[name])
