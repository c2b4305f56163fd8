"""Compaction: make a pruned network physically smaller.

Units that weight pruning left without inputs have a constant output. It is added to their consumers' biases, and the
units are removed. Units that nothing reads are removed too. A convolution cannot be empty, so it keeps one unit of
zeros if all are removed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunelab.graph.graph import Graph, Layer, Slot, by_number
from prunelab.graph.masks import Mask
from prunelab.graph.surgery import runnable, smaller
from prunelab.graph.watch import Call, each_call
from prunelab.pruning.design import rows_of
from prunelab.pruning.prune import Pruned


@dataclass(frozen=True, slots=True)
class Compacted:
    """A compacted network, and the units of the dense one that it still has: `kept`, bool [units]."""

    network: nn.Module
    kept: Tensor


@torch.no_grad()
def compact(pruned: Pruned) -> Compacted:
    """The smallest network with the same layers that gives the outputs of the masked network.

    A layer without a bias gets one if it read units with a constant output other than zero.
    """
    folded = copy.deepcopy(pruned.network)
    constant = _folded(pruned, folded)
    kept = runnable(pruned.graph, pruned.units_kept & ~constant & _read(pruned, constant))
    return Compacted(smaller(folded, _with_new_biases(pruned.graph, folded), kept), kept)


def live_units(pruned: Pruned) -> Tensor:
    """The units on a path of remaining weights from an input to an output: bool [units]."""
    graph = pruned.graph
    constant = torch.zeros(graph.units, dtype=torch.bool)
    for layer in graph.layers:
        constant |= _without_inputs(graph, pruned.mask, layer, constant)
    return ~constant & _read(pruned, constant)


def _folded(pruned: Pruned, network: nn.Module) -> Tensor:
    """Add the constant units' contributions to their consumers' biases, in place; returns these units, bool [units]."""
    graph = pruned.graph
    constant = torch.zeros(graph.units, dtype=torch.bool)
    given: dict[str, Tensor] = {}
    for layer in graph.layers:
        candidates = _without_inputs(graph, pruned.mask, layer, constant)
        if not bool(candidates.any()):
            continue
        if not given:  # one image is enough for what is constant
            image = next(network.parameters()).new_zeros(1, *graph.image)
            each_call(pruned.network, graph, image, lambda call: _record(call, given))
        for reader in graph.layers:
            candidates &= ~_varying(graph, reader, candidates, given.get(reader.name), network)
        constant |= candidates
    for reader in graph.layers:
        _add(graph, reader, constant, given.get(reader.name), network)
    return constant


def _with_new_biases(graph: Graph, network: nn.Module) -> Graph:
    """The graph with slots for the biases that folding has added."""
    added = {name for name, _ in network.named_parameters()} - set(graph.parameters)
    slots = [
        Slot(f"{layer.name}.bias", 0, graph.outputs_of(layer))
        for layer in graph.layers
        if f"{layer.name}.bias" in added
    ]
    return replace(graph, slots=(*graph.slots, *slots))


def _record(call: Call, given: dict[str, Tensor]) -> None:
    """Keep a layer's input for one image, [in, positions]; the inputs of several calls are concatenated."""
    channels = rows_of(call.given, call.layer).T
    name = call.layer.name
    given[name] = torch.cat([given[name], channels], dim=1) if name in given else channels.clone()


def _without_inputs(graph: Graph, mask: Mask, layer: Layer, constant: Tensor) -> Tensor:
    """The units among the layer's outputs that no remaining weight connects to a unit that varies: bool [units]."""
    units = graph.outputs_of(layer)
    none = torch.zeros(graph.units, dtype=torch.bool)
    if layer.depthwise or not bool(units.any()):
        return none
    own = _reading(graph, mask, layer, constant).any(1)
    if bool(own.all()):
        return none
    entered = torch.zeros(graph.units + 1, dtype=torch.bool)
    for other in graph.layers:
        outputs = graph.outputs_of(other)
        if not other.depthwise and not set(outputs.tolist()).isdisjoint(units[units > 0].tolist()):
            entered[outputs[_reading(graph, mask, other, constant).any(1)]] = True
    mixed = torch.tensor(sorted(graph.mixed), dtype=torch.int64)
    entered[mixed] = True
    none[units[units > 0] - 1] = True
    return none & ~entered[1:]


def _reading(graph: Graph, mask: Mask, layer: Layer, constant: Tensor) -> Tensor:
    """Whether a remaining weight connects an input that is not constant to an output: bool [out, in]."""
    shape = graph.shapes[layer.weight]
    weight = mask.get(layer.weight)
    stays = torch.ones(shape, dtype=torch.bool) if weight is None else weight.cpu()
    stays = stays.transpose(0, 1) if layer.outputs_dim == 1 else stays
    stays = stays.reshape(*stays.shape[:2], -1).any(2)
    return stays & by_number(~constant)[graph.inputs_of(layer)]


def _read(pruned: Pruned, constant: Tensor) -> Tensor:
    """The units from which a path of remaining weights leads to an output: bool [units]."""
    graph = pruned.graph
    readings = [
        (graph.outputs_of(layer), graph.inputs_of(layer), _reading(graph, pruned.mask, layer, constant))
        for layer in reversed(graph.layers)
        if not layer.depthwise
    ]
    read = torch.zeros(graph.units + 1, dtype=torch.bool)
    read[0] = True
    while True:
        before = read.clone()
        for outputs, inputs, reading in readings:
            read[inputs[reading[read[outputs]].any(0)]] = True
        if bool((read == before).all()):
            return read[1:]


def _varying(graph: Graph, reader: Layer, candidates: Tensor, given: Tensor | None, network: nn.Module) -> Tensor:
    """The candidates whose values, as this layer reads them, cannot be moved into its bias: bool [units]."""
    columns = _indices(candidates, graph.input_channels_of(reader))
    kept = torch.zeros(graph.units, dtype=torch.bool)
    if reader.depthwise or not len(columns):
        return kept
    units = graph.input_channels_of(reader)[columns] - 1
    if given is None:  # its inputs were not seen: its weight is used inside another module
        kept[units] = True
        return kept
    values = given[columns].cpu()
    zero = (values == 0).all(1)
    same = (values == values[:, :1]).all(1) if _takes_bias(reader, network) else zero
    kept[units[~(zero | same)]] = True
    return kept


def _add(graph: Graph, reader: Layer, constant: Tensor, given: Tensor | None, network: nn.Module) -> None:
    """Move what a layer reads from the constant units into its bias, and set their weights to zero; in place."""
    columns = _indices(constant, graph.input_channels_of(reader))
    if reader.depthwise or given is None or not len(columns):
        return
    values, weight = given[columns, 0], dict(network.named_parameters())[reader.weight]
    if bool(values.any()):
        matrix = weight.flatten(2).sum(2) if weight.dim() > 2 else weight
        offset = matrix[:, columns] @ values
        if bool(offset.any()):
            module: Any = network.get_submodule(reader.name)
            module.bias = nn.Parameter(offset if module.bias is None else module.bias + offset)
    weight.index_fill_(reader.inputs_dim, _indices(constant, graph.inputs_of(reader)).to(weight.device), 0)


def _takes_bias(reader: Layer, network: nn.Module) -> bool:
    """Whether a constant input only adds a constant to the outputs: the layer is used once and has no padding."""
    if reader.uses != 1 or reader.groups != 1 or reader.outputs_dim == 1:
        return False
    try:
        module = network.get_submodule(reader.name)
    except AttributeError:
        return False
    if _shared(module, network):
        return False
    if isinstance(module, _ConvNd):
        return not any(module.padding) if isinstance(module.padding, tuple) else module.padding == "valid"
    return type(module) is nn.Linear


def _shared(module: nn.Module, network: nn.Module) -> bool:
    """Whether another module shares its weight or bias."""
    own = {id(value) for value in module.parameters(recurse=False)}
    return any(
        id(value) in own
        for other in network.modules()
        if other is not module
        for value in other.parameters(recurse=False)
    )


def _indices(units: Tensor, numbers: Tensor) -> Tensor:
    """Where the unit `numbers` (int64 [size]) name one of `units` (bool [units]): int64 indices."""
    return torch.cat([units.new_zeros(1), units])[numbers].nonzero().squeeze(1)
