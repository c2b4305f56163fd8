"""Gram matrices of layer inputs over the calibration images."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunelab.errors import PrunelabError
from prunelab.graph.graph import Graph
from prunelab.graph.watch import Call, each_call
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.design import design, row_count, sampled

LARGEST = 20_000
"""Largest number of weights per output (inputs x kernel) for which the Gram matrix and its inverse fit into memory."""
RIDGE = 1e-2
"""Ridge added to the diagonal of a Gram matrix before it is inverted, relative to the mean of the diagonal."""


@dataclass(frozen=True, slots=True)
class Gram:
    """`products`: the mean of [x, 1]'[x, 1] over the rows x of a layer's input, float64 [inputs + 1, inputs + 1]."""

    products: Tensor

    @property
    def inputs(self) -> Tensor:
        """The Gram matrix of x alone: [inputs, inputs]."""
        return self.products[:-1, :-1]

    def centred(self, centred: bool) -> Tensor:
        """The Gram matrix of x, or if `centred` its covariance: [inputs, inputs]."""
        mean = self.products[:-1, -1]
        return self.inputs - torch.outer(mean, mean) if centred else self.inputs


@torch.no_grad()
def grams(network: nn.Module, graph: Graph, calibration: Calibration, weights: Container[str]) -> dict[str, list[Gram]]:
    """For each of the `weights` (by name) whose layer is called, the Gram matrix of each group of the layer.

    If a layer is called several times, the inputs of all its calls count.

    Raises:
        PrunelabError: for a layer with more than `LARGEST` weights per output, or a transposed convolution.
    """
    sums: dict[str, list[Tensor]] = {}
    counts: dict[str, int] = {}

    def see(call: Call) -> None:
        name = call.layer.weight
        if name not in weights:
            return
        rows = sampled(row_count(call), calibration.seed)
        parts = [_products(call.layer.name, given) for given in design(call, rows)]
        sums[name] = [one + other for one, other in zip(sums[name], parts, strict=True)] if name in sums else parts
        counts[name] = counts.get(name, 0) + len(rows)

    each_call(network, graph, calibration.first(graph).images, see)
    return {name: [Gram(part / counts[name]) for part in parts] for name, parts in sums.items()}


def add_ridge(gram: Tensor) -> Tensor:
    """Add `RIDGE` x the mean diagonal to the diagonal of a Gram matrix, in place; returns it."""
    gram.diagonal().add_(RIDGE * gram.diagonal().mean().clamp_min(1e-12))
    return gram


def _products(layer: str, given: Tensor) -> Tensor:
    """The sum of [x, 1]'[x, 1] over the rows of `given` [rows, inputs]: float64 [inputs + 1, inputs + 1]."""
    if given.shape[1] > LARGEST:
        raise PrunelabError(
            f"layer {layer} has {given.shape[1]} weights for each output, and this criterion inverts a matrix of that "
            f"size: it accepts at most {LARGEST}; choose another criterion"
        )
    extended = torch.cat([given, given.new_ones(len(given), 1)], 1)
    return (extended.T @ extended).double()
