"""Optimal brain surgeon for weights, scaled by how much the following layers depend on each output.

Removing a weight leaves an error in its output, after the other weights of that output have compensated for it. The
error is multiplied by the importance of the output:

    sum over its consumers of E[a^2] |v|^2 / energy   /   sum over its layers of E[z^2]

Here a is the output as the consumer reads it (after the activation), v are the consumer's weights for it, `energy` is
the summed mean square of the consumer's outputs, and z is the output as its layer computes it. This makes costs
comparable across layers: each is the fraction of the next layers' output energy that is lost. An output that is not a
unit (of a layer before a layer norm, for example) counts as a fraction of its own layer's energy.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunelab.graph.graph import Graph, Layer
from prunelab.graph.watch import check_prunable_seen, check_seen
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.criteria.row_obs import removal_costs
from prunelab.pruning.design import column_units, matrices
from prunelab.pruning.grams import Gram, add_ridge, grams

Saliencies = dict[str, Tensor]
"""For each prunable weight, by name, a tensor of its shape."""
Costs = Callable[[Tensor, Tensor], Tensor]
"""Costs [out, in] of removing each weight, from the weights [out, in] and the Gram matrix of the inputs."""


def obs_downstream(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """w^2 / [H^-1]_jj x the importance of the output; H is the Gram matrix of the inputs (Hassibi and Stork 1993).

    H covers all inputs, so the costs are accurate as long as most weights of an output remain.
    """

    def costs(weight: Tensor, products: Tensor) -> Tensor:
        return weight.square() / torch.cholesky_inverse(torch.linalg.cholesky(products)).diagonal()[: weight.shape[1]]

    return _saliencies(network, graph, calibration, costs)


def obc(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """The cost of each weight at the moment of its removal x the importance of the output.

    The weights of an output are removed one at a time, the cheapest first, and the others compensate for each (OBC,
    Frantar and Alistarh 2022; see `row_obs`).
    """
    return _saliencies(network, graph, calibration, removal_costs)


@torch.no_grad()
def _saliencies(network: nn.Module, graph: Graph, calibration: Calibration, costs: Costs) -> Saliencies:
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    layers = {layer.weight: layer for layer in graph.layers}
    found = grams(network, graph, calibration, layers)
    check_seen(graph, {layers[weight].name for weight in found})
    check_prunable_seen(graph, found)
    energies = {name: _energies(layers[name], parameters[name], parts) for name, parts in found.items()}
    importance = _importance(graph, layers, parameters, found, energies)
    result: Saliencies = {}
    for layer in graph.prunable:
        weight, name = parameters[layer.weight].double(), layer.weight
        units = graph.outputs_of(layer).to(weight.device)
        own = 1 / energies[name].sum().clamp_min(torch.finfo(weight.dtype).tiny)
        factors = torch.where(units > 0, importance[units], own).chunk(layer.groups)
        saliencies = torch.empty_like(weight)
        every = zip(matrices(saliencies, layer), matrices(weight, layer), found[name], factors, strict=True)
        for part, matrix, gram, factor in every:
            part.copy_(costs(matrix, _damped(gram, layer)) * factor.unsqueeze(1))
        result[name] = saliencies
    return result


def _importance(
    graph: Graph,
    layers: dict[str, Layer],
    parameters: dict[str, Tensor],
    found: dict[str, list[Gram]],
    energies: dict[str, Tensor],
) -> Tensor:
    """The cost of a mean squared error of 1 in each unit's output: float64 [1 + units]."""
    first = next(iter(found.values()))[0].products
    read, given = first.new_zeros(1 + graph.units), first.new_zeros(1 + graph.units)
    for name, parts in found.items():
        layer, weight = layers[name], parameters[name].double()
        if layer.depthwise:
            continue
        given.index_add_(0, graph.outputs_of(layer).to(weight.device), energies[name])
        columns = column_units(graph, layer).to(weight.device)
        total = energies[name].sum()
        if float(total) > 0:
            for matrix, gram in zip(matrices(weight, layer), parts, strict=True):
                powers = gram.centred(layer.bias is not None).diagonal().clamp_min(0)
                read.index_add_(0, columns, powers * matrix.square().sum(0) / total)
    return torch.where(given > 0, read / given, torch.zeros_like(read))


def _energies(layer: Layer, weight: Tensor, parts: list[Gram]) -> Tensor:
    """The mean square of each output, or its variance if the layer has a bias: float64 [out]."""
    every = zip(matrices(weight.double(), layer), parts, strict=True)
    centred = layer.bias is not None
    return torch.cat([((matrix @ gram.centred(centred)) * matrix).sum(1).clamp_min(0) for matrix, gram in every])


def _damped(gram: Gram, layer: Layer) -> Tensor:
    """The Gram matrix with a ridge; with a bias, that of [x, 1], since the bias compensates for constants."""
    return add_ridge((gram.inputs if layer.bias is None else gram.products).clone())
