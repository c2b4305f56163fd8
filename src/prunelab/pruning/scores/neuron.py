"""Scores of neurons: [out] per hidden layer."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.network.layers import hidden_layers, linear_layers
from prunelab.pruning.calibration import Calibration, layer_inputs, recorded_inputs


def l2_norm(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Euclidean norm of a neuron's incoming weights (the report)."""
    return [layer.weight.detach().norm(dim=1) for layer in hidden_layers(network)]


def l1_norm(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Sum of the absolute values of a neuron's incoming weights (Li et al. 2017, for filters)."""
    return [layer.weight.detach().abs().sum(dim=1) for layer in hidden_layers(network)]


def in_out_norm(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Norm of a neuron's incoming weights times the norm of its outgoing ones: blind to a rescaling between the two."""
    return [
        layer.weight.detach().norm(dim=1) * consumer.weight.detach().norm(dim=0)
        for layer, consumer in pairwise(linear_layers(network))
    ]


def activation(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Standard deviation of a neuron's activation times the norm of its outgoing weights.

    How much of what its consumers see varies with it (after Polyak and Wolf 2015, who use the variance alone).
    """
    return [
        given.std(0) * consumer.weight.detach().norm(dim=0)
        for given, consumer in zip(
            layer_inputs(network, calibration.images)[1:], linear_layers(network)[1:], strict=True
        )
    ]


def taylor(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Mean over images of |a dL/da|, a the neuron's activation: the first-order change of the loss when it is removed
    (Molchanov et al. 2017).
    """
    with torch.enable_grad(), recorded_inputs(network) as inputs:
        loss = functional.cross_entropy(network(calibration.images), calibration.labels, reduction="sum")
        gradients = torch.autograd.grad(loss, inputs[1:])
    return [(given.detach() * gradient).abs().mean(0) for given, gradient in zip(inputs[1:], gradients, strict=True)]


def random(network: nn.Module, calibration: Calibration) -> list[Tensor]:
    """Uniform in [0, 1): the baseline that every score must beat (Blalock et al. 2020)."""
    generator = torch.Generator().manual_seed(calibration.seed)
    return [
        torch.rand(layer.out_features, generator=generator).to(layer.weight.device) for layer in hidden_layers(network)
    ]
