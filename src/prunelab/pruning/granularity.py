"""Granularities: what one unit is that pruning removes.

Each knows which layers its units are in, how saliencies add up to a score for each of its units, and what becomes of
the parameters when only some units stay. Nothing else asks which granularity it is dealing with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from prunelab.choices import GranularityName
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph
from prunelab.graph.masks import unit_mask


class Granularity(ABC):
    """A kind of unit. Scores and choices are lists with a tensor for each of its layers."""

    criteria: str = "weight"
    """The module of `prunelab.pruning.criteria` in which its criteria are looked up."""
    sparse: bool = True
    """Whether what stays is scattered, so that a sparse form of the weights may pay."""

    @abstractmethod
    def layers(self, graph: Graph) -> list[str]:
        """The layers in which it has units, in order."""

    @abstractmethod
    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """The shape of its units in each layer."""

    @abstractmethod
    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """For each layer, a score for each unit."""

    @abstractmethod
    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """What stays of each parameter when the units in `kept` (bool, in the shapes of the scores) do."""

    def units_kept(self, graph: Graph, kept: Sequence[Tensor]) -> Tensor:
        """bool [units of the graph]: those that are not removed as such. All, but for neurons."""
        return torch.ones(graph.units, dtype=torch.bool)

    def check(self, graph: Graph, percentage: float) -> None:
        """Refuse what this granularity cannot do on the network.

        Raises:
            ConfigError: saying what it accepts.
        """
        return


@dataclass(frozen=True)
class Weight(Granularity):
    """Single weights."""

    def layers(self, graph: Graph) -> list[str]:
        """All but the output layers."""
        return [layer.name for layer in graph.prunable]

    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """Those of the weights."""
        return [graph.shapes[layer.weight] for layer in graph.prunable]

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """The saliencies themselves."""
        return [saliency[layer.weight] for layer in graph.prunable]

    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """Of the weights alone."""
        return {layer.weight: each for layer, each in zip(graph.prunable, kept, strict=True)}


class Neuron(Granularity):
    """Neurons of linear layers and channels of convolutions, with what is tied to them."""

    criteria = "neuron"
    sparse = False

    def layers(self, graph: Graph) -> list[str]:
        """Those in which units first appear."""
        return [group.name for group in graph.groups]

    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """So many units a group."""
        return [(group.size,) for group in graph.groups]

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """Per group of units."""
        return [saliency[group.units] for group in graph.groups]

    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """A unit takes with it all its slots: incoming weights, biases, normalisation, its consumers' weights."""
        return unit_mask(graph, self.units_kept(graph, kept))

    def units_kept(self, graph: Graph, kept: Sequence[Tensor]) -> Tensor:
        """The choice itself."""
        return torch.cat(list(kept)) if kept else torch.ones(0, dtype=torch.bool)


@dataclass(frozen=True)
class NofM(Weight):
    """n of every `m` weights along the input go; the percentage says how many (2:4 is 50% of m = 4)."""

    m: int

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """A weight's place among its m, so that the lowest places go from all alike."""
        scores = []
        for layer in graph.prunable:
            flat = saliency[layer.weight].flatten(1)
            places = flat.reshape(-1, self.m).argsort(dim=1, stable=True).argsort(dim=1)
            scores.append(places.to(torch.float32).reshape(saliency[layer.weight].shape))
        return scores

    def check(self, graph: Graph, percentage: float) -> None:
        """Every row is to be whole groups of m, and the percentage whole weights of each."""
        for layer in graph.prunable:
            shape = graph.shapes[layer.weight]
            inputs = torch.Size(shape[1:]).numel()
            if inputs % self.m:
                raise ConfigError(
                    f"method.m={self.m} is refused: layer {layer.name} has {inputs} weights an output, which are no "
                    f"whole groups; it accepts a divisor of {inputs}, or method.exclude=[{layer.name}]"
                )
        if (percentage * self.m) % 100:
            accepted = ", ".join(f"{100 * n / self.m:g}" for n in range(self.m + 1))
            raise ConfigError(f"percentage={percentage:g} is refused: of every {self.m} weights it accepts {accepted}")


@dataclass(frozen=True)
class Block(Weight):
    """Blocks of `rows` x `columns` of a weight as a matrix [out, in x kernel]; those at its edges may be smaller."""

    rows: int
    columns: int

    def shapes(self, graph: Graph) -> list[tuple[int, ...]]:
        """Rows and columns of blocks."""
        matrices = [torch.Size((shape[0], torch.Size(shape[1:]).numel())) for shape in Weight().shapes(graph)]
        return [(-(-rows // self.rows), -(-columns // self.columns)) for rows, columns in matrices]

    def scores(self, graph: Graph, saliency: Any) -> list[Tensor]:
        """The sum of a block's saliencies: [block rows, block columns]."""
        scores = []
        for layer in graph.prunable:
            matrix = saliency[layer.weight].flatten(1)
            down, right = -len(matrix) % self.rows, -matrix.shape[1] % self.columns
            padded = functional.pad(matrix, (0, right, 0, down))
            tiles = padded.unfold(0, self.rows, self.rows).unfold(1, self.columns, self.columns)
            scores.append(tiles.sum((2, 3)))
        return scores

    def mask(self, graph: Graph, kept: Sequence[Tensor]) -> dict[str, Tensor]:
        """Every weight of a block that stays."""
        found = {}
        for layer, blocks in zip(graph.prunable, kept, strict=True):
            shape = graph.shapes[layer.weight]
            matrix = blocks.repeat_interleave(self.rows, 0).repeat_interleave(self.columns, 1)
            found[layer.weight] = matrix[: shape[0], : torch.Size(shape[1:]).numel()].reshape(shape)
        return found


def granularity_of(method: Method) -> Granularity:
    """The granularity that a method names, with its sizes.

    Raises:
        ConfigError: if it needs a size that the method does not give.
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
