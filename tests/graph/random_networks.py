"""Random networks of the blocks that networks are made of, with statistics, biases and weights as after training."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from tests.small import randomise
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph

SHAPE = (2, 6, 6)
CLASSES = 3
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda given: given,
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,  # f(0) = 1/2
    "bell": lambda given: torch.exp(-given.square()),  # f(0) = 1
    "gelu": functional.gelu,
}


class Block(NamedTuple):
    """`width`: channels out of a plain convolution, of a branch, or neurons. `norm`: with batch normalisation."""

    kind: str
    width: int
    bias: bool
    norm: bool
    activation: str


class Spec(NamedTuple):
    """Blocks on maps, then the maps flattened (or their mean), then linear layers."""

    maps: tuple[Block, ...]
    flatten: bool
    linear: tuple[Block, ...]
    bias: bool


class RandomNetwork(nn.Module):
    """Images [n, 2, 6, 6] -> logits [n, 3], float64, so that what is not exact stands out."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.ModuleDict()
        channels, rows = SHAPE[0], SHAPE[1]
        for number, block in enumerate(spec.maps):
            if block.kind == "pool":
                rows //= 2 if rows > 1 else 1
                continue
            channels = self._block(str(number), block, channels)
        channels *= rows * rows if spec.flatten else 1
        for number, block in enumerate(spec.linear, start=len(spec.maps)):
            self.layers[f"layer{number}"] = nn.Linear(channels, block.width, bias=block.bias)
            channels = block.width
            if block.norm:
                self.layers[f"norm{number}"] = nn.BatchNorm1d(channels, affine=block.bias)
        self.output = nn.Linear(channels, CLASSES, bias=spec.bias)

    def _block(self, name: str, block: Block, channels: int) -> int:
        """Its layers; returns the channels that it gives."""
        grouped = block.kind == "grouped" and channels % 2 == 0
        groups = channels if block.kind == "depthwise" else 2 if grouped else 1
        outputs = {"conv": block.width, "concat": block.width, "grouped": 2 * block.width}.get(block.kind, channels)
        pointwise = block.kind == "residual"
        self.layers[f"layer{name}"] = nn.Conv2d(
            channels, outputs, 1 if pointwise else 3, padding=0 if pointwise else 1, groups=groups, bias=block.bias
        )
        if block.norm:
            self.layers[f"norm{name}"] = nn.BatchNorm2d(outputs, affine=block.bias)
        return channels + outputs if block.kind == "concat" else outputs

    def forward(self, images: Tensor) -> Tensor:
        stream = images
        for number, block in enumerate(self.spec.maps):
            if block.kind == "pool":
                stream = functional.max_pool2d(stream, 2) if stream.shape[-1] > 1 else stream
                continue
            given = self._step(number, block, stream)
            if block.kind == "concat":
                given = torch.cat([stream, given], dim=1)
            stream = stream + given if block.kind == "residual" else given
        stream = stream.flatten(1) if self.spec.flatten else stream.mean((2, 3))
        for number, block in enumerate(self.spec.linear, start=len(self.spec.maps)):
            stream = self._step(number, block, stream)
        logits: Tensor = self.output(stream)
        return logits

    def _step(self, number: int, block: Block, given: Tensor) -> Tensor:
        given = self.layers[f"layer{number}"](given)
        if block.norm:
            given = self.layers[f"norm{number}"](given)
        return ACTIVATIONS[block.activation](given)


def blocks(*kinds: str) -> st.SearchStrategy[Block]:
    return st.builds(
        Block,
        kind=st.sampled_from(kinds),
        width=st.integers(1, 4),
        bias=st.booleans(),
        norm=st.booleans(),
        activation=st.sampled_from(sorted(ACTIVATIONS)),
    )


specs = st.builds(
    Spec,
    maps=st.lists(
        blocks("conv", "conv", "residual", "depthwise", "grouped", "concat", "pool"), min_size=0, max_size=4
    ).map(tuple),
    flatten=st.booleans(),
    linear=st.lists(blocks("linear"), min_size=0, max_size=3).map(tuple),
    bias=st.booleans(),
)


@cache
def subject(spec: Spec) -> tuple[RandomNetwork, Graph]:
    """Such a network in evaluation mode, and its graph."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = RandomNetwork(spec).double().eval()
        randomise(network)
    return network, analyse(network, images(2))


def images(count: int) -> Tensor:
    return torch.randn(count, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
