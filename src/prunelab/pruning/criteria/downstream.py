"""Optimal brain surgeon for weights, with what comes after a layer taken into account.

The error that a weight's removal leaves in its output, once the other weights of that output make up for it, is worth

    sum over the consumers of E[a^2] |v|^2 / energy   /   sum over the layers that give it of E[z^2]

times itself: a the output as a consumer is given it, v the consumer's weights of it, `energy` that of all the
consumer's outputs, z the output as a layer computes it. So costs in different layers compare: each is the share that
is lost of what the next layers compute. An output that is no unit (that of a layer before a layer norm, say) counts as
its share of its own layer's energy.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunelab.errors import PrunelabError
from prunelab.graph.graph import Graph, Layer
from prunelab.graph.watch import check_seen
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.criteria.row_obs import removal_costs
from prunelab.pruning.design import matrices
from prunelab.pruning.grams import Gram, grams

RIDGE = 1e-2
"""Added to X'X / n, relative to its mean diagonal."""

Saliencies = dict[str, Tensor]
Costs = Callable[[Tensor, Tensor], Tensor]


def obs_downstream(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """w^2 / [H^-1]_jj, H the Gram matrix of the layer's inputs (Hassibi and Stork 1993), times its output's worth.

    H is of all inputs: right as long as most weights of an output are there.
    """

    def costs(weight: Tensor, products: Tensor) -> Tensor:
        return weight.square() / torch.cholesky_inverse(torch.linalg.cholesky(products)).diagonal()[: weight.shape[1]]

    return _saliencies(network, graph, calibration, costs)


def obc(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """The same at the moment of removal: the weights of an output go one after another, the cheapest first, and what is
    left makes up for each (Frantar and Alistarh 2022, OBC; `row_obs` says how).
    """
    return _saliencies(network, graph, calibration, removal_costs)


@torch.no_grad()
def _saliencies(network: nn.Module, graph: Graph, calibration: Calibration, costs: Costs) -> Saliencies:
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    layers = {layer.weight: layer for layer in graph.layers}
    found = grams(network, graph, calibration, layers)
    check_seen(graph, {layers[weight].name for weight in found})
    for layer in graph.prunable:
        if layer.weight not in found:
            raise PrunelabError(
                f"the inputs of layer {layer.name} cannot be seen, because its weight is used inside another module: "
                f"choose a criterion that needs none, or method.exclude=[{layer.name}]"
            )
    energies = {name: _energies(layers[name], parameters[name], parts) for name, parts in found.items()}
    worth = _worth(graph, layers, parameters, found, energies)
    result: Saliencies = {}
    for layer in graph.prunable:
        weight, name = parameters[layer.weight].double(), layer.weight
        units = graph.outputs_of(layer).to(weight.device)
        own = 1 / energies[name].sum().clamp_min(torch.finfo(weight.dtype).tiny)
        factors = torch.where(units > 0, worth[units], own).chunk(layer.groups)
        saliencies = torch.empty_like(weight)
        every = zip(matrices(saliencies, layer), matrices(weight, layer), found[name], factors, strict=True)
        for part, matrix, gram, factor in every:
            part.copy_(costs(matrix, _damped(gram, layer)) * factor.unsqueeze(1))
        result[name] = saliencies
    return result


def _worth(
    graph: Graph,
    layers: dict[str, Layer],
    parameters: dict[str, Tensor],
    found: dict[str, list[Gram]],
    energies: dict[str, Tensor],
) -> Tensor:
    """What an error of one (squared) in each unit's output is worth: float64 [1 + units]."""
    first = next(iter(found.values()))[0].products
    read, given = first.new_zeros(1 + graph.units), first.new_zeros(1 + graph.units)
    for name, parts in found.items():
        layer, weight = layers[name], parameters[name].double()
        if layer.depthwise:
            continue
        given.index_add_(0, graph.outputs_of(layer).to(weight.device), energies[name])
        columns = graph.inputs_of(layer).to(weight.device).repeat_interleave(weight[0, 0].numel())
        total = energies[name].sum()
        if float(total) > 0:
            for matrix, gram in zip(matrices(weight, layer), parts, strict=True):
                powers = gram.centred(layer.bias is not None).diagonal().clamp_min(0)
                read.index_add_(0, columns, powers * matrix.square().sum(0) / total)
    return torch.where(given > 0, read / given, torch.zeros_like(read))


def _energies(layer: Layer, weight: Tensor, parts: list[Gram]) -> Tensor:
    """The mean square of each output (its variance, where there is a bias): float64 [out]."""
    every = zip(matrices(weight.double(), layer), parts, strict=True)
    centred = layer.bias is not None
    return torch.cat([((matrix @ gram.centred(centred)) * matrix).sum(1).clamp_min(0) for matrix, gram in every])


def _damped(gram: Gram, layer: Layer) -> Tensor:
    """The Gram matrix with its ridge; with a bias, that of [x, 1], since the bias makes up for a constant."""
    products = (gram.inputs if layer.bias is None else gram.products).clone()
    products.diagonal().add_(RIDGE * products.diagonal().mean().clamp_min(1e-12))
    return products
