"""Scores of weights: [out, in] per hidden layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.network.layers import hidden_layers
from prunelab.pruning.calibration import Calibration, layer_inputs


def magnitude(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """|w| (Janowsky 1989; Han et al. 2015)."""
    return [layer.weight.detach().abs() for layer in hidden_layers(network)]


def random(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Uniform in [0, 1): the baseline that every score must beat (Blalock et al. 2020)."""
    generator = torch.Generator().manual_seed(calibration.seed)
    return [
        torch.rand(layer.weight.shape, generator=generator).to(layer.weight.device) for layer in hidden_layers(network)
    ]


def taylor(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """|w dL/dw|, the first-order change of the loss when w is removed (Molchanov et al. 2019; Lee et al. 2019)."""
    layers = hidden_layers(network)
    with torch.enable_grad():
        loss = functional.cross_entropy(network(calibration.images), calibration.labels)
        gradients = torch.autograd.grad(loss, [layer.weight for layer in layers])
    return [(layer.weight.detach() * gradient).abs() for layer, gradient in zip(layers, gradients, strict=True)]


def wanda(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """|w| x root mean square of its input (Sun et al. 2024, who use the norm over the same images)."""
    inputs = layer_inputs(network, calibration.images)
    return [
        layer.weight.detach().abs() * given.square().mean(0).sqrt()
        for layer, given in zip(hidden_layers(network), inputs, strict=False)
    ]


def lamp(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """w^2 over the sum of the squares of all weights of its layer that are not smaller (Lee et al. 2021)."""
    scores = []
    for layer in hidden_layers(network):
        squares = layer.weight.detach().double().square().flatten()
        ordered, order = squares.sort(stable=True)
        not_smaller = ordered.flip(0).cumsum(0).flip(0)
        scores.append(
            torch.empty_like(squares).scatter_(0, order, ordered / not_smaller.clamp_min(1e-300)).view_as(layer.weight)
        )
    return scores


def obs(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """w^2 / [H^-1]_ii, H the Gram matrix of the layer's inputs.

    The error of the layer's output when w is removed and the other weights of its neuron make up for it (Hassibi and
    Stork 1993; layer by layer as in Frantar and Alistarh 2022).
    """
    inputs = layer_inputs(network, calibration.images)
    scores = []
    for layer, given in zip(hidden_layers(network), inputs, strict=False):
        gram = given.double().T @ given.double() / len(given)
        gram.diagonal().add_(1e-2 * gram.diagonal().mean().clamp_min(1e-12))
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram)).diagonal()
        scores.append(layer.weight.detach().double().square() / inverse)
    return scores
