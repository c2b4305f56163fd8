"""A chain of linear layers as bare operators: how it is timed where speed counts.

Calling `nn.Module`s costs some two microseconds each in Python, whatever their size; a batch of one image of a small
network takes less than that. The chain computes the same with the weights laid out for the product. A network of any
other kind is timed as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

Operator = Callable[[Tensor], Tensor]
ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.Dropout)
PIECE = 64
"""Images in one sparse product: few enough for their columns to stay in the processor's cache (`make breakeven` times
products of a whole batch beside it)."""


def chain(network: nn.Module) -> Operator:
    """Images [n, ...] -> logits [n, classes]."""
    layers = plain_layers(network)
    if layers is None:
        return network
    run = _run([_product(layer) if isinstance(layer, nn.Linear) else layer.forward for layer in layers])
    return lambda images: run(images.flatten(1))


def csr_chain(network: nn.Module) -> Operator | None:
    """The same with the weights in compressed sparse row form, `PIECE` images at a time; None if it is no chain."""
    layers = plain_layers(network)
    if layers is None:
        return None
    run = _run([_sparse_product(layer) if isinstance(layer, nn.Linear) else layer.forward for layer in layers])
    return in_pieces(run)


def in_pieces(run: Operator) -> Operator:
    """Images [n, ...] -> [n, out], by `run`, which takes and gives them as columns, as a sparse product does.

    `run` sees at most `PIECE` images at once.
    """

    def whole(images: Tensor) -> Tensor:
        rows = images.flatten(1)
        if len(rows) <= PIECE:
            return run(rows.T).T
        return torch.cat([run(piece.T) for piece in torch.split(rows, PIECE)], dim=1).T

    return whole


def plain_layers(network: nn.Module) -> list[nn.Module] | None:
    """The layers after the Flatten of a network that is an `nn.Sequential` of it, linear layers and activations."""
    if not isinstance(network, nn.Sequential) or not len(network) or type(network[0]) is not nn.Flatten:
        return None
    layers = list(network)[1:]
    return layers if all(type(layer) in (nn.Linear, *ELEMENTWISE) for layer in layers) else None


def _run(operators: list[Operator]) -> Operator:
    def run(given: Tensor) -> Tensor:
        for operator in operators:
            given = operator(given)
        return given

    return run


def _product(layer: nn.Linear) -> Operator:
    weight, bias = layer.weight.detach().T.contiguous(), _bias(layer)
    if bias is None:
        return lambda given: torch.mm(given, weight)
    return lambda given: torch.addmm(bias, given, weight)


def _sparse_product(layer: nn.Linear) -> Operator:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        weight = layer.weight.detach().to_sparse_csr()
    bias = _bias(layer)
    if bias is None:
        return lambda given: weight @ given
    column = bias.unsqueeze(1)
    return lambda given: weight @ given + column


def _bias(layer: nn.Linear) -> Tensor | None:
    return None if layer.bias is None else layer.bias.detach()
