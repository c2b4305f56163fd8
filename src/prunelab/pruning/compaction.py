"""A pruned network made physically smaller: what was removed is gone, not zero.

Units that weight pruning left without inputs give a constant: it is added to what their consumers add, and they go.
Units that nothing reads go too. A layer whose kind cannot be empty (a convolution) keeps one unit, which is zero.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from prunelab.graph.graph import Graph, Layer, Slot
from prunelab.graph.masks import Mask
from prunelab.graph.surgery import runnable, smaller
from prunelab.graph.watch import Call, each_call
from prunelab.pruning.prune import Pruned


@dataclass(frozen=True, slots=True)
class Compacted:
    """A smaller network, and which units of the dense one it holds: `kept`, bool [units of the graph]."""

    network: nn.Module
    kept: Tensor


@torch.no_grad()
def compact(pruned: Pruned) -> Compacted:
    """The smallest network of the same layers that computes what the masked network computes.

    A layer without a bias is given one where the units it loses were constant and not zero.
    """
    folded = copy.deepcopy(pruned.network)
    constant = _folded(pruned, folded)
    kept = runnable(pruned.graph, pruned.units_kept & ~constant & _read(pruned, constant))
    return Compacted(smaller(folded, _with_new_biases(pruned.graph, folded), kept), kept)


def live_units(pruned: Pruned) -> Tensor:
    """bool [units]: those that lie on a path of weights from an input to an output."""
    graph = pruned.graph
    constant = torch.zeros(graph.units, dtype=torch.bool)
    for layer in graph.layers:
        constant |= _without_inputs(graph, pruned.mask, layer, constant)
    return ~constant & _read(pruned, constant)


def _folded(pruned: Pruned, network: nn.Module) -> Tensor:
    """Add what constant units give to their consumers' biases, in place; returns which these are, bool [units]."""
    graph = pruned.graph
    constant = torch.zeros(graph.units, dtype=torch.bool)
    given: dict[str, Tensor] = {}
    for layer in graph.layers:
        candidates = _without_inputs(graph, pruned.mask, layer, constant)
        if not bool(candidates.any()):
            continue
        if not given:  # a constant is the same for every image
            image = next(network.parameters()).new_zeros(1, *graph.image)
            each_call(pruned.network, graph, image, lambda call: _note(call, given))
        for reader in graph.layers:
            candidates &= ~_varying(graph, reader, candidates, given.get(reader.name), network)
        constant |= candidates
    for reader in graph.layers:
        _add(graph, reader, constant, given.get(reader.name), network)
    return constant


def _with_new_biases(graph: Graph, network: nn.Module) -> Graph:
    """The graph with slots for the biases that folding gave to layers without one."""
    there = {name for name, _ in network.named_parameters()} - set(graph.parameters)
    slots = [
        Slot(f"{layer.name}.bias", 0, graph.outputs_of(layer))
        for layer in graph.layers
        if f"{layer.name}.bias" in there
    ]
    return replace(graph, slots=(*graph.slots, *slots))


def _note(call: Call, given: dict[str, Tensor]) -> None:
    """What a layer is given for one image: [in, positions]; several uses one after the other."""
    channels = (
        call.given.reshape(-1, call.given.shape[-1]).T if call.layer.kind == "linear" else call.given[0].flatten(1)
    )
    name = call.layer.name
    given[name] = torch.cat([given[name], channels], dim=1) if name in given else channels.clone()


def _without_inputs(graph: Graph, mask: Mask, layer: Layer, constant: Tensor) -> Tensor:
    """Of the units that first appear in this layer, those that no weight enters from a unit that is not constant."""
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
    """bool [out, in]: whether a weight leads from an input, unless that is constant, to an output."""
    shape = graph.shapes[layer.weight]
    weight = mask.get(layer.weight)
    stays = torch.ones(shape, dtype=torch.bool) if weight is None else weight.cpu()
    stays = stays.transpose(0, 1) if layer.outputs_dim == 1 else stays
    stays = stays.reshape(*stays.shape[:2], -1).any(2)
    return stays & ~torch.cat([constant.new_zeros(1), constant])[graph.inputs_of(layer)]


def _read(pruned: Pruned, constant: Tensor) -> Tensor:
    """bool [units]: those from which a path of weights leads to an output."""
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
    """Of the candidates, those that this layer is not given as one number which can go into its bias, bool [units]."""
    columns = _columns(graph, reader, candidates)
    kept = torch.zeros(graph.units, dtype=torch.bool)
    if reader.depthwise or not len(columns):
        return kept
    units = graph.inputs_of(reader).repeat(reader.groups)[columns] - 1
    if given is None:  # it is not seen: its weight is used inside another module
        kept[units] = True
        return kept
    values = given[columns].cpu()
    zero = (values == 0).all(1)
    same = (values == values[:, :1]).all(1) if _takes_bias(reader, network) else zero
    kept[units[~(zero | same)]] = True
    return kept


def _add(graph: Graph, reader: Layer, constant: Tensor, given: Tensor | None, network: nn.Module) -> None:
    columns = _columns(graph, reader, constant)
    if reader.depthwise or given is None or not len(columns):
        return
    values, weight = given[columns, 0], dict(network.named_parameters())[reader.weight]
    if bool(values.any()):
        matrix = weight.flatten(2).sum(2) if weight.dim() > 2 else weight
        offset = matrix[:, columns] @ values
        if bool(offset.any()):
            module: Any = network.get_submodule(reader.name)
            module.bias = nn.Parameter(offset if module.bias is None else module.bias + offset)
    within = graph.inputs_of(reader)
    gone = torch.cat([constant.new_zeros(1), constant])[within].nonzero().squeeze(1).to(weight.device)
    weight.index_fill_(reader.inputs_dim, gone, 0)


def _takes_bias(reader: Layer, network: nn.Module) -> bool:
    """Whether a constant input only adds a constant to its outputs: it is used once, and nothing is padded."""
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
    """Whether another module has its weight or its bias, too."""
    own = {id(value) for value in module.parameters(recurse=False)}
    return any(
        id(value) in own
        for other in network.modules()
        if other is not module
        for value in other.parameters(recurse=False)
    )


def _columns(graph: Graph, reader: Layer, units: Tensor) -> Tensor:
    """Which of all its input channels are of these units (bool [units]), int64."""
    chosen = torch.cat([units.new_zeros(1), units])
    return chosen[graph.inputs_of(reader).repeat(reader.groups)].nonzero().squeeze(1)
