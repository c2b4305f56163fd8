"""Gram matrices of what layers are given, over the calibration images."""

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
"""Inputs x kernel of a layer, above which its Gram matrix and the inverse do not fit into an ordinary memory."""


@dataclass(frozen=True, slots=True)
class Gram:
    """`products`: mean over rows of [x, 1]'[x, 1], float64 [in x kernel + 1, in x kernel + 1]."""

    products: Tensor

    @property
    def inputs(self) -> Tensor:
        """That of x alone."""
        return self.products[:-1, :-1]

    def centred(self, centred: bool) -> Tensor:
        """That of x, or, `centred`, of x less its mean: [in x kernel, in x kernel]."""
        mean = self.products[:-1, -1]
        return self.inputs - torch.outer(mean, mean) if centred else self.inputs


@torch.no_grad()
def grams(network: nn.Module, graph: Graph, calibration: Calibration, weights: Container[str]) -> dict[str, list[Gram]]:
    """For each of the weights (by name) that is seen in use, a Gram matrix for each group of its layer.

    Of a layer that is used several times, all uses count.

    Raises:
        PrunelabError: for a layer that is too wide, or a transposed convolution.
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


def _products(layer: str, given: Tensor) -> Tensor:
    if given.shape[1] > LARGEST:
        raise PrunelabError(
            f"layer {layer} has {given.shape[1]} weights for each output, and this criterion inverts a matrix of that "
            f"size: it accepts at most {LARGEST}; choose another criterion"
        )
    extended = torch.cat([given, given.new_ones(len(given), 1)], 1)
    return (extended.T @ extended).double()
