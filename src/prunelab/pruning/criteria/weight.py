"""Criteria for weights. Each returns, for each layer of `graph.prunable`, a tensor of its weight's shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.graph import Graph
from prunelab.graph.watch import Call, check_prunable_seen, each_call
from prunelab.pruning.calibration import Calibration, logits_of
from prunelab.pruning.criteria.downstream import Saliencies
from prunelab.pruning.criteria.downstream import obc as obc
from prunelab.pruning.criteria.downstream import obs_downstream as obs_downstream
from prunelab.pruning.criteria.woodfisher import woodfisher as woodfisher
from prunelab.pruning.design import design, matrices, row_count, sampled
from prunelab.pruning.grams import add_ridge


def magnitude(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """|w| (Janowsky 1989; Han et al. 2015)."""
    return {name: weight.abs() for name, weight in _weights(network, graph).items()}


def random(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """Uniform in [0, 1): the control that every criterion must beat (Blalock et al. 2020)."""
    generator = torch.Generator().manual_seed(calibration.seed)
    return {
        name: torch.rand(weight.shape, generator=generator).to(weight.device)
        for name, weight in _weights(network, graph).items()
    }


def taylor(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """|w dL/dw|, the first-order change of the loss when w is removed (Molchanov et al. 2019; Lee et al. 2019)."""
    parameters = dict(network.named_parameters())
    chosen = {layer.weight: parameters[layer.weight] for layer in graph.prunable}
    sums = {name: torch.zeros_like(weight) for name, weight in chosen.items()}
    for images, labels in calibration.labelled(graph):
        with torch.enable_grad():
            loss = functional.cross_entropy(logits_of(network, images), labels)
            gradients = torch.autograd.grad(loss * (len(images) / len(calibration)), list(chosen.values()))
        for total, gradient in zip(sums.values(), gradients, strict=True):
            total.add_(gradient)
    return {name: (weight.detach() * sums[name]).abs() for name, weight in chosen.items()}


def wanda(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """|w| x root mean square of its input (Sun et al. 2024, who use the L2 norm of the input)."""
    return _from_inputs(network, graph, calibration, lambda weight, given: weight.abs() * given.square().mean(0).sqrt())


def lamp(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """w^2 / sum of the squares of all weights of its layer that are not smaller (Lee et al. 2021)."""
    found = {}
    for name, weight in _weights(network, graph).items():
        squares = weight.double().square().flatten()
        ordered, order = squares.sort(stable=True)
        not_smaller = ordered.flip(0).cumsum(0).flip(0)
        ratios = ordered / not_smaller.clamp_min(1e-300)
        found[name] = torch.empty_like(squares).scatter_(0, order, ratios).view_as(weight)
    return found


def obs(network: nn.Module, graph: Graph, calibration: Calibration) -> Saliencies:
    """w^2 / [H^-1]_ii, where H is the Gram matrix of the layer's inputs.

    This is the error of the layer's output after w is removed and the other weights of that output have compensated
    for it (Hassibi and Stork 1993; layer by layer, Frantar and Alistarh 2022).
    """

    def saliency(weight: Tensor, given: Tensor) -> Tensor:
        gram = add_ridge(given.double().T @ given.double() / len(given))
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram)).diagonal()
        return weight.double().square() / inverse

    return _from_inputs(network, graph, calibration, saliency)


def _weights(network: nn.Module, graph: Graph) -> Saliencies:
    parameters = dict(network.named_parameters())
    return {layer.weight: parameters[layer.weight].detach() for layer in graph.prunable}


@torch.no_grad()
def _from_inputs(
    network: nn.Module, graph: Graph, calibration: Calibration, saliency: Callable[[Tensor, Tensor], Tensor]
) -> Saliencies:
    """Apply `saliency` to each prunable layer, group by group: its weight matrix [out, in] and input rows [n, in]."""
    weights = _weights(network, graph)
    found: Saliencies = {}
    earlier: dict[str, list[list[Tensor]]] = {}  # the rows of earlier calls of a layer that is called several times

    def see(call: Call) -> None:
        layer = call.layer
        if layer.weight not in weights:
            return
        rows = design(call, sampled(row_count(call), calibration.seed))
        uses = earlier.setdefault(layer.weight, [])
        uses.append([each.clone() for each in rows] if layer.uses > 1 else rows)
        if len(uses) == layer.uses:
            every = [torch.cat(parts) if layer.uses > 1 else parts[0] for parts in zip(*uses, strict=True)]
            weight = weights[layer.weight]
            parts = [saliency(part, each) for part, each in zip(matrices(weight, layer), every, strict=True)]
            found[layer.weight] = parts[0].T if layer.outputs_dim == 1 else torch.cat(parts).view_as(weight)
            del earlier[layer.weight]

    each_call(network, graph, calibration.first(graph).images, see)
    check_prunable_seen(graph, found)
    return {layer.weight: found[layer.weight] for layer in graph.prunable}
