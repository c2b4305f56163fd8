"""A network with units taken out: as zeros in place, or as a smaller module of the same class."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from prunelab.graph.graph import Graph


def indices(graph: Graph, kept: Tensor) -> dict[str, dict[int, Tensor]]:
    """For each parameter and buffer with slots, per dimension the indices that stay, int64.

    `kept`: bool [units].
    """
    stays = torch.cat([kept.new_ones(1), kept]).cpu()
    return {
        name: {slot.dim: stays[slot.units].nonzero().squeeze(1) for slot in slots}
        for name, slots in graph.by_tensor.items()
    }


def runnable(graph: Graph, kept: Tensor) -> Tensor:
    """`kept` (bool [units]) with one unit more where the network would not run without any.

    That is where a convolution would be empty, and in the groups of which analysis found so.
    """
    kept = kept.clone()
    for name, slots in graph.by_tensor.items():
        if len(graph.shapes[name]) > 2:
            for slot in slots:
                units = slot.units[slot.units > 0] - 1
                if len(units) == len(slot.units) and not bool(kept[units].any()):
                    kept[units[0]] = True
    for group in graph.groups:
        if group.name in graph.never_empty and not bool(kept[group.units].any()):
            kept[group.first - 1] = True
    return kept


@torch.no_grad()
def smaller(network: nn.Module, graph: Graph, kept: Tensor) -> nn.Module:
    """A copy without the units that do not stay (`kept`: bool [units])."""
    found = indices(graph, kept)
    chosen = {id(value): _like(value, _chosen(value, found.get(name, {}))) for name, value in tensors(network)}
    result = copy.deepcopy(network, chosen)  # wherever the network holds a tensor, the copy holds what was chosen of it
    for small, large in zip(result.modules(), network.modules(), strict=True):
        if _sizes(small) != _sizes(large):
            _correct(small)
    return result


@torch.no_grad()
def restored(small: nn.Module, network: nn.Module, graph: Graph, kept: Tensor) -> nn.Module:
    """The inverse of `smaller`: a copy of `network` with the small one's numbers, parameters zero elsewhere."""
    result = copy.deepcopy(network)
    found, values = indices(graph, kept), dict(tensors(small))
    parameters = {name for name, _ in result.named_parameters()}
    for name, value in tensors(result):
        if name not in found:
            value.copy_(values[name])
            continue
        if name in parameters:
            value.zero_()
        value[_open_mesh(value, found[name])] = values[name]
    return result


def resize(network: nn.Module, values: dict[str, Tensor]) -> None:
    """Give parameters and buffers (by name) values of other sizes, in place, and correct the layers' own numbers.

    Tensors that stand in several places are replaced in all of them. The new ones are taken as they are, not copied.
    """
    old = {id(value): name for name, value in tensors(network)}
    replaced: dict[str, Tensor] = {}
    for module in network.modules():
        before = _sizes(module)
        for slots in (module._parameters, module._buffers):
            for key, value in slots.items():
                name = None if value is None else old.get(id(value))
                if value is not None and name in values:
                    if name not in replaced:
                        replaced[name] = _like(value, values[name].detach())
                    slots[key] = replaced[name]  # type: ignore[assignment]
        if _sizes(module) != before:
            _correct(module)


def tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name, each once."""
    yield from network.named_parameters()
    yield from network.named_buffers()


def _like(value: Tensor, new: Tensor) -> Tensor:
    """A parameter in place of a parameter."""
    return nn.Parameter(new, value.requires_grad) if isinstance(value, nn.Parameter) else new


def _sizes(module: nn.Module) -> list[torch.Size]:
    own = [*module._parameters.values(), *module._buffers.values()]
    return [value.shape for value in own if value is not None]


def _correct(module: nn.Module) -> None:
    """The numbers that a layer keeps beside its parameters, from their sizes."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, _ConvTransposeNd):
        module.in_channels, module.out_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, _ConvNd):
        if module.groups == module.in_channels and module.groups > 1:  # depthwise
            module.groups = module.weight.shape[0] // (module.out_channels // module.in_channels)
        module.in_channels, module.out_channels = module.weight.shape[1] * module.groups, module.weight.shape[0]
    elif isinstance(module, _NormBase):
        module.num_features = next(len(value) for value in (module.weight, module.running_mean) if value is not None)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(module.weight)


def _chosen(value: Tensor, found: dict[int, Tensor]) -> Tensor:
    """A copy of some of it, or of all."""
    if not found:
        return value.clone()
    for dim, index in found.items():
        value = value.index_select(dim, index.to(value.device))
    return value


def _open_mesh(value: Tensor, found: dict[int, Tensor]) -> tuple[Tensor, ...]:
    """The chosen indices of every dimension up to the last that has any, to be broadcast against one another."""
    last = max(found)
    every = [found.get(dim, torch.arange(value.shape[dim])).to(value.device) for dim in range(last + 1)]
    return tuple(
        index.reshape(*(-1 if dim == other else 1 for other in range(last + 1))) for dim, index in enumerate(every)
    )
