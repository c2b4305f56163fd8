"""Criteria for units (neurons and channels). Each returns a tensor [units].

The saliency of a unit with several tied channels is the sum over its channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.graph import Graph, Layer
from prunelab.graph.watch import Call, check_seen, each_call, watching
from prunelab.pruning.calibration import Calibration, logits_of
from prunelab.pruning.criteria.structured_obs import obs as obs
from prunelab.pruning.design import rows_of


def l2_norm(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """L2 norm of a unit's incoming weights (the published report)."""
    return _incoming(network, graph, lambda weight: weight.norm(dim=1))


def l1_norm(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """L1 norm of a unit's incoming weights (Li et al. 2017, for filters)."""
    return _incoming(network, graph, lambda weight: weight.abs().sum(dim=1))


def in_out_norm(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """L2 norm of the incoming weights x L2 norm of the outgoing ones: invariant to rescaling between the two."""
    outgoing = [
        graph.sum_per_unit(norms, units)
        for layer, norms, units in ((layer, *_outgoing(network, graph, layer)) for layer in graph.layers)
        if not layer.depthwise
    ]
    return l2_norm(network, graph, calibration) * torch.stack(outgoing).sum(0)


@torch.no_grad()
def activation(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """Standard deviation of a unit's activation x L2 norm of its outgoing weights, summed over its consumers.

    It measures how much the unit contributes to the variation of its consumers' outputs (after Polyak and Wolf 2015,
    who use the variance of the activation alone).
    """
    score = calibration.images.new_zeros(graph.units)
    seen: set[str] = set()

    def see(call: Call) -> None:
        if not call.layer.depthwise:
            norms, units = _outgoing(network, graph, call.layer)
            score.add_(graph.sum_per_unit(rows_of(call.given, call.layer).std(0) * norms, units))
            seen.add(call.layer.name)

    each_call(network, graph, calibration.first(graph).images, see)
    check_seen(graph, seen)
    return score


def taylor(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """Mean over images of |a dL/da|, where a is the unit's activation: the first-order change of the loss.

    The product is summed over positions before the absolute value is taken (Molchanov et al. 2017).
    """
    score = calibration.images.new_zeros(graph.units)
    for images, labels in calibration.labelled(graph):
        with torch.enable_grad():
            calls = [seen for seen in _gradients(network, graph, images, labels) if not seen[0].layer.depthwise]
        check_seen(graph, {call.layer.name for call, _ in calls})
        change = score.new_zeros(len(images), graph.units)
        for call, gradient in calls:
            given = call.given.detach() * gradient
            if call.layer.kind != "linear":
                given = given.flatten(2).sum(2)
            elif given.dim() > 2:
                given = given.flatten(1, -2).sum(1)
            change += graph.sum_per_unit(given, graph.input_channels_of(call.layer))
        score += change.abs().mean(0) * (len(images) / len(calibration))
    return score


def random(network: nn.Module, graph: Graph, calibration: Calibration) -> Tensor:
    """Uniform in [0, 1): the control that every criterion must beat (Blalock et al. 2020)."""
    generator = torch.Generator().manual_seed(calibration.seed)
    parts = [torch.rand(group.size, generator=generator) for group in graph.groups]
    return torch.cat(parts).to(calibration.images.device)


def _incoming(network: nn.Module, graph: Graph, norm: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum over a unit's channels of `norm`, a function of a weight matrix [out, in x kernel] -> [out]."""
    parameters = dict(network.named_parameters())
    score: Tensor | None = None
    for weight, layer in {layer.weight: layer for layer in graph.layers}.items():
        matrix = parameters[weight].detach()
        matrix = matrix.transpose(0, 1).flatten(1) if layer.outputs_dim == 1 else matrix.flatten(1)
        part = graph.sum_per_unit(norm(matrix), graph.outputs_of(layer))
        score = part if score is None else score + part
    assert score is not None
    return score


def _outgoing(network: nn.Module, graph: Graph, layer: Layer) -> tuple[Tensor, Tensor]:
    """L2 norms of the weights that read each of a layer's input channels, and the channels' units: both [in]."""
    weight = dict(network.named_parameters())[layer.weight].detach()
    if weight.dim() == 2:
        return weight.norm(dim=layer.outputs_dim), graph.inputs_of(layer)
    if layer.outputs_dim == 1:
        return weight.flatten(1).norm(dim=1), graph.inputs_of(layer)
    grouped = weight.reshape(layer.groups, -1, *weight.shape[1:]).flatten(3)  # [groups, out, in, kernel]
    return torch.linalg.vector_norm(grouped, dim=(1, 3)).flatten(), graph.input_channels_of(layer)


def _gradients(network: nn.Module, graph: Graph, images: Tensor, labels: Tensor) -> list[tuple[Call, Tensor]]:
    """Each call of a layer with the gradient of the summed loss with respect to its input; zero if there is none.

    Every layer gets its own copy of its input, so the gradient covers what passes through this layer only, and not
    through other layers that read the same values.
    """
    calls: list[Call] = []
    with torch.enable_grad():

        def note(call: Call) -> Tensor:
            own = call.given.clone() if call.given.requires_grad else call.given.clone().requires_grad_()
            calls.append(replace(call, given=own))
            return call.compute(own)

        with watching(network, graph, note):
            loss = functional.cross_entropy(logits_of(network, images), labels, reduction="sum")
        gradients = torch.autograd.grad(loss, [call.given for call in calls], allow_unused=True)
    return [
        (call, torch.zeros_like(call.given) if gradient is None else gradient)
        for call, gradient in zip(calls, gradients, strict=True)
    ]
