"""Small networks, their graphs, and masks of one's own: what the tests of the core begin with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph
from prunelab.graph.masks import masked
from prunelab.network.mlp import MLP
from prunelab.pruning.granularity import Granularity
from prunelab.pruning.prune import Pruned


def mlp(
    features: int, classes: int, hidden: Sequence[int], bias: bool = True, activation: str = "relu", seed: int = 0
) -> MLP:
    """With biases that are not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = MLP(features, classes, hidden, bias, activation, "glorot_uniform")
        for layer in linear_layers(made):
            if bias:
                nn.init.normal_(layer.bias)
    return made


@cache
def mlp_graph(features: int, classes: int, hidden: tuple[int, ...], bias: bool = True) -> Graph:
    """The graph of such a network, found once; it is the same for all activations."""
    return analyse(mlp(features, classes, hidden, bias), torch.rand(2, features))


class Residual(nn.Module):
    """Images [n, 4, 6, 6]: a convolution, a residual branch of two with 12 channels inside, and a linear layer.

    Two groups of units: 8 tied by the residual connection, 12 inside the branch. All statistics and biases are drawn.
    """

    def __init__(self, bias: bool = True, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = nn.Conv2d(4, 8, 3, padding=1, bias=bias)
            self.norm = nn.BatchNorm2d(8)
            self.widen = nn.Conv2d(8, 12, 3, padding=1, bias=bias)
            self.narrow = nn.Conv2d(12, 8, 1, bias=bias)
            self.output = nn.Linear(8, 4)
            randomise(self)

    def forward(self, images: Tensor) -> Tensor:
        stream = self.norm(self.stem(images)).relu()
        stream = stream + self.narrow(self.widen(stream).relu())
        logits: Tensor = self.output(stream.mean((2, 3)))
        return logits


def randomise(network: nn.Module) -> None:
    """Batch normalisations as after training: statistics and weights of their own; biases that are not zero."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if module.running_mean is not None and module.running_var is not None:
                nn.init.normal_(module.running_mean, std=0.3)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
        if isinstance(getattr(module, "bias", None), nn.Parameter):
            nn.init.normal_(module.bias, std=0.5)


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """In the order in which they were registered, the output layer last."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def pruned_by(network: nn.Module, graph: Graph, granularity: Granularity, kept: Sequence[Tensor]) -> Pruned:
    """The network without what `kept` (bool, in the shapes of the granularity's units) does not keep."""
    mask = granularity.mask(graph, kept)
    return Pruned(masked(network, mask), graph, list(kept), mask, granularity)


def everything(graph: Graph, granularity: Granularity) -> list[Tensor]:
    """A choice that keeps every unit, to take some out of."""
    return [torch.ones(shape, dtype=torch.bool) for shape in granularity.shapes(graph)]
