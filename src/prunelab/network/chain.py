"""Fast forms of a chain of linear layers, for measuring speed: bare operators, without module calls.

Calling an `nn.Module` costs about two microseconds in Python, and a small layer takes less than that for one image. The
fast form gives the same outputs, with the weights stored in the layout that the matrix product reads. Networks of any
other kind are timed as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Operator = Callable[[Tensor], Tensor]
Array = NDArray[np.float32]
ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.Dropout)


@dataclass(frozen=True, slots=True)
class OnArrays:
    """A function of float32 arrays [n, ...] as an operator; turning tensors into arrays is not timed."""

    run: Callable[[Array], Array]

    def __call__(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self.run(images.numpy()))

    def on(self, images: Tensor) -> Callable[[], object]:
        """A call on these images."""
        return partial(self.run, images.numpy())


def chain(network: nn.Module) -> Operator:
    """The fast form of the network, images [n, ...] -> logits [n, classes]; the network itself if it is no chain."""
    layers = plain_layers(network)
    if layers is None:
        return network
    run = _run([_product(layer) if isinstance(layer, nn.Linear) else layer.forward for layer in layers])
    return lambda images: run(images.flatten(1))


def csr_chain(network: nn.Module) -> Operator | None:
    """The same with the weights in compressed sparse row form; None if it is no chain."""
    layers = plain_layers(network)
    if layers is None:
        return None
    run = _run([_sparse_product(layer) if isinstance(layer, nn.Linear) else layer.forward for layer in layers])
    return lambda images: run(images.flatten(1).T).T  # a sparse product takes the images as columns


def plain_layers(network: nn.Module) -> list[nn.Module] | None:
    """The layers after the Flatten, if the network is an `nn.Sequential` of Flatten, linear layers and activations."""
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
