"""Granularities: what a method ranks and removes as one.

A granularity defines in which layers its rankable units are, how saliencies are combined into a score per unit, and
the mask that a selection of units leads to. No other code depends on which granularity it works with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from prunelab.choices import GranularityName
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph, Layer
from prunelab.graph.masks import unit_mask


class Granularity(ABC):
    """A kind of rankable unit. Scores and selections are lists with one tensor per layer."""

    criteria: str = "weight"
    """The module of `prunelab.pruning.criteria` with its criteria."""
    sparse: bool = True
    """Whether it leaves scattered weights (unstructured), so that a sparse format may pay off."""

    @abstractmethod
    def layers(self, graph: Graph) -> list[str]:
        """The layers in which it has units, in execution order."""

    @abstractmethod
    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """The shape of the scores of each layer."""

    @abstractmethod
    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """For each layer, a score per unit, from the criterion's saliencies."""

    @abstractmethod
    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """The mask that keeps the units in `kept` (bool, in the shapes of the scores)."""

    def units_kept(self, graph: Graph, kept: Sequence[Tensor]) -> Tensor:
        """The units of the graph that are not removed as a whole: bool [units]. All of them, except for neurons."""
        return torch.ones(graph.units, dtype=torch.bool)

    def check(self, graph: Graph, percentage: float) -> None:
        """Check that this granularity can remove the percentage from the network.

        Raises:
            ConfigError: saying what is accepted.
        """
        return


@dataclass(frozen=True)
class Weight(Granularity):
    """Single weights."""

    def layers(self, graph: Graph) -> list[str]:
        """All except output layers and excluded ones."""
        return [layer.name for layer in graph.prunable]

    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """The shapes of the weights."""
        return [graph.shapes[layer.weight] for layer in graph.prunable]

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """The saliencies themselves."""
        return [saliency[layer.weight] for layer in graph.prunable]

    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """Only weights are masked."""
        return {layer.weight: each for layer, each in zip(graph.prunable, kept, strict=True)}


class Neuron(Granularity):
    """The units of the graph: neurons of linear layers and channels of convolutions, with all that is tied to them."""

    criteria = "neuron"
    sparse = False

    def layers(self, graph: Graph) -> list[str]:
        """The layers in which units first appear."""
        return [group.name for group in graph.groups]

    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """The number of units of each group."""
        return [(group.size,) for group in graph.groups]

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """The saliencies, group by group."""
        return [saliency[group.units] for group in graph.groups]

    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """All slots of a removed unit: incoming weights, biases, normalisation, its consumers' weights."""
        return unit_mask(graph, self.units_kept(graph, kept))

    def units_kept(self, graph: Graph, kept: Sequence[Tensor]) -> Tensor:
        """The selection itself."""
        return torch.cat(list(kept)) if kept else torch.ones(0, dtype=torch.bool)


@dataclass(frozen=True)
class NofM(Weight):
    """n:m sparsity: n of every `m` consecutive weights along the input are removed (2:4 is 50% with m = 4)."""

    m: int

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """A weight's rank among its m, so that the same number is removed from every m."""
        scores = []
        for layer in graph.prunable:
            matrix = _matrix(saliency[layer.weight], layer)
            places = matrix.reshape(-1, self.m).argsort(dim=1, stable=True).argsort(dim=1)
            scores.append(_weight(places.to(torch.float32), graph, layer))
        return scores

    def check(self, graph: Graph, percentage: float) -> None:
        """`m` must divide the weights of an output, and the percentage must be a whole number of every m weights."""
        for layer in graph.prunable:
            _, inputs = _sizes(graph, layer)
            if inputs % self.m:
                raise ConfigError(
                    f"method.m={self.m} is refused: layer {layer.name} has {inputs} weights per output, which is "
                    f"not a multiple of {self.m}; it accepts a divisor of {inputs}, or method.exclude=[{layer.name}]"
                )
        if (percentage * self.m) % 100:
            accepted = ", ".join(f"{100 * n / self.m:g}" for n in range(self.m + 1))
            raise ConfigError(
                f"percentage={percentage:g} is refused: of every {self.m} weights it accepts {accepted} "
                "(method.granularity=n_m, as in weight_n_m)"
            )


@dataclass(frozen=True)
class Block(Weight):
    """Blocks of `rows` x `columns` weights of the matrix [out, in x kernel]; blocks at its edges may be smaller."""

    rows: int
    columns: int

    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """The number of blocks: [block rows, block columns]."""
        sizes = [_sizes(graph, layer) for layer in graph.prunable]
        return [(-(-rows // self.rows), -(-columns // self.columns)) for rows, columns in sizes]

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """The sum of each block's saliencies: [block rows, block columns]."""
        scores = []
        for layer in graph.prunable:
            matrix = _matrix(saliency[layer.weight], layer)
            down, right = -len(matrix) % self.rows, -matrix.shape[1] % self.columns
            padded = functional.pad(matrix, (0, right, 0, down))
            tiles = padded.unfold(0, self.rows, self.rows).unfold(1, self.columns, self.columns)
            scores.append(tiles.sum((2, 3)))
        return scores

    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """All weights of a block stay or go together."""
        found = {}
        for layer, blocks in zip(graph.prunable, kept, strict=True):
            rows, columns = _sizes(graph, layer)
            matrix = blocks.repeat_interleave(self.rows, 0).repeat_interleave(self.columns, 1)
            found[layer.weight] = _weight(matrix[:rows, :columns], graph, layer)
        return found


def _sizes(graph: Graph, layer: Layer) -> tuple[int, int]:
    """Rows and columns of a layer's weight as the matrix [out, in x kernel]."""
    shape = list(graph.shapes[layer.weight])
    return shape.pop(layer.outputs_dim), prod(shape)


def _matrix(values: Tensor, layer: Layer) -> Tensor:
    """A tensor of the shape of a layer's weight as the matrix [out, in x kernel]."""
    return values.movedim(layer.outputs_dim, 0).flatten(1)


def _weight(matrix: Tensor, graph: Graph, layer: Layer) -> Tensor:
    """The inverse of `_matrix`: values for [out, in x kernel] in the shape of the layer's weight."""
    shape = list(graph.shapes[layer.weight])
    outputs = shape.pop(layer.outputs_dim)
    return matrix.reshape(outputs, *shape).movedim(0, layer.outputs_dim)


def granularity_of(method: Method) -> Granularity:
    """The granularity of a method, with its sizes.

    Raises:
        ConfigError: if the method lacks a size that its granularity needs.
    """
    if method.granularity is GranularityName.N_M:
        if method.m is None:
            raise ConfigError("method.m is missing: granularity n_m takes the size of a group, 4 for 2:4")
        return NofM(method.m)
    if method.granularity is GranularityName.BLOCK:
        if method.block is None:
            raise ConfigError("method.block is missing: granularity block takes [rows, columns]")
        return Block(*method.block)
    return Neuron() if method.granularity is GranularityName.NEURON else Weight()
