"""Remove units from a network: a smaller module of the same class, and the way back."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from prunelab.graph.graph import Graph, by_number


def indices(graph: Graph, kept: Tensor) -> dict[str, dict[int, Tensor]]:
    """For each parameter and buffer with slots, the indices that stay along each dimension, int64.

    `kept`: bool [units].
    """
    stays = by_number(kept).cpu()
    return {
        name: {slot.dim: stays[slot.units].nonzero().squeeze(1) for slot in slots}
        for name, slots in graph.by_tensor.items()
    }


def runnable(graph: Graph, kept: Tensor) -> Tensor:
    """`kept` (bool [units]) with one unit added wherever the network does not run without any.

    That is where a convolution would have no channels, and in the groups that analysis found to need one unit.
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
    """A smaller copy of the network with only the units of `kept` (bool [units])."""
    found = indices(graph, kept)
    chosen = {id(value): _like(value, _chosen(value, found.get(name, {}))) for name, value in tensors(network)}
    result = copy.deepcopy(network, chosen)  # the memo replaces each tensor by its selection, wherever it is held
    for small, large in zip(result.modules(), network.modules(), strict=True):
        if _sizes(small) != _sizes(large):
            _correct(small)
    return result


@torch.no_grad()
def restored(small: nn.Module, network: nn.Module, graph: Graph, kept: Tensor) -> nn.Module:
    """The inverse of `smaller`: a copy of `network` with the values of `small`, its parameters zero elsewhere.

    Buffers keep the values of `network` where `small` has none.
    """
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
    """Replace parameters and buffers (by name) by tensors of other sizes, in place, and update the layers' attributes.

    A tensor that several modules share is replaced in all of them. The new tensors are used as they are, not copied.
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
    """Parameters and buffers by name; each shared tensor once."""
    yield from network.named_parameters()
    yield from network.named_buffers()


def _like(value: Tensor, new: Tensor) -> Tensor:
    """`new` as a parameter if `value` is one."""
    return nn.Parameter(new, value.requires_grad) if isinstance(value, nn.Parameter) else new


def _sizes(module: nn.Module) -> list[torch.Size]:
    own = [*module._parameters.values(), *module._buffers.values()]
    return [value.shape for value in own if value is not None]


def _correct(module: nn.Module) -> None:
    """Update a layer's size attributes (`in_features`, `groups`, ...) from its parameters."""
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
    """A copy of the selected indices (by dimension), or of the whole tensor."""
    if not found:
        return value.clone()
    for dim, index in found.items():
        value = value.index_select(dim, index.to(value.device))
    return value


def _open_mesh(value: Tensor, found: dict[int, Tensor]) -> tuple[Tensor, ...]:
    """The selected indices of each dimension, up to the last one with a selection, shaped to broadcast together."""
    last = max(found)
    every = [found.get(dim, torch.arange(value.shape[dim])).to(value.device) for dim in range(last + 1)]
    return tuple(
        index.reshape(*(-1 if dim == other else 1 for other in range(last + 1))) for dim, index in enumerate(every)
    )
