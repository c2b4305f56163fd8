"""Counts: multiply-adds as torch's own counter has them, and ratios of 1 where nothing is removed."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from tests.small import Residual, pruned_by, randomise
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prunelab.compose import compose_job
from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph
from prunelab.measure.size import Size, dense_size, ratio, remaining_size
from prunelab.network.build import build
from prunelab.pruning.compaction import compact
from prunelab.pruning.granularity import Neuron, Weight
from prunelab.reading import CONF

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
SHAPE = (1, 28, 28)


class Decoder(nn.Module):
    """Transposed convolutions with a stride, a grouped convolution, a dilated one."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 6, 3, stride=2), nn.ConvTranspose2d(6, 8, 3, stride=2, output_padding=1)
        self.grouped, self.dilated = nn.Conv2d(8, 12, 3, groups=2), nn.Conv2d(12, 3, 2, dilation=2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.dilated(self.grouped(self.up(self.down(images)).relu())).mean((2, 3))
        return logits


class Tokens(nn.Module):
    """A linear layer on tokens whose dimension is merged with the images', and one that is used for two lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.merged, self.twice, self.output = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.merged(images.reshape(-1, 6)).relu().reshape(len(images), -1, 8)
        pooled = tokens.mean(1)
        logits: Tensor = self.output(self.twice(tokens).mean(1) + self.twice(pooled))
        return logits


class AddedProduct(nn.Module):
    """A product of activations that is added to another activation."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.offset, self.output = nn.Linear(4, 6), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.tokens(images)
        logits: Tensor = self.output(torch.baddbmm(self.offset(images), tokens, tokens.transpose(1, 2))).mean(1)
        return logits


class Unusual(nn.Module):
    """Operators that are no layers: einsum, addmm, a convolution whose weight is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.table, self.last = nn.Linear(8, 16), nn.Parameter(torch.rand(16, 12)), nn.Linear(12, 3)
        self.square = nn.Parameter(torch.rand(12, 12))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(3, 5))

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.einsum("bi,io->bo", self.first(images).relu(), self.table)
        logits: Tensor = self.normed(self.last(torch.addmm(hidden, hidden, self.square)).relu())
        return logits


OTHERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "transposed": (Decoder(), (4, 9, 9)),
    "tokens": (Tokens(), (4, 3, 6)),
    "added product": (AddedProduct(), (5, 4)),
    "residual": (Residual(), (4, 6, 6)),
    "unusual": (Unusual(), (8,)),
    "torch's attention": (
        nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3)),
        (5, 8),
    ),
    "one channel out": (nn.Sequential(nn.Conv1d(2, 1, 3), nn.Flatten(), nn.Linear(7, 3)), (2, 9)),
}


@cache
def subject(name: str) -> tuple[nn.Module, Graph, Tensor]:
    if name in OTHERS:
        network, shape = OTHERS[name]
    else:
        network, shape = build(compose_job([f"model={name}"]).model, SHAPE, 10, seed=0), SHAPE
    randomise(network)
    images = torch.rand(3, *shape)
    return network.eval(), analyse(network, images), images


def counted(network: nn.Module, images: Tensor) -> int:
    """Multiply-adds of one image."""
    with FlopCounterMode(display=False) as counter, nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        network(images[:1])
    return counter.get_total_flops() // 2


def test_the_products_of_recurrent_layers_are_counted() -> None:
    network = nn.ModuleDict({"recurrent": nn.LSTM(6, 5, batch_first=True), "output": nn.Linear(5, 3)})

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = network

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.layers["output"](self.layers["recurrent"](images)[0][:, -1])
            return logits

    graph = analyse(Reader().eval(), torch.rand(2, 7, 6))
    assert dense_size(graph, Weight()).multiply_adds == 7 * 4 * 5 * (6 + 5) + 5 * 3


@pytest.mark.parametrize("name", [*MODELS, *OTHERS])
def test_multiply_adds_are_those_that_torch_counts(name: str) -> None:
    network, graph, images = subject(name)
    size = dense_size(graph, Weight())
    assert size.multiply_adds == counted(network, images)
    assert size.multiply_adds == sum(size.multiply_adds_per_layer) + graph.other_multiply_adds
    assert size.parameters == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", ["mobilenet_small", "resnet8", "vit_tiny", "mlp", "transposed", "unusual"])
def test_what_remains_of_neurons_is_what_the_compacted_network_holds_and_computes(name: str) -> None:
    network, graph, images = subject(name)
    generator = torch.Generator().manual_seed(0)
    kept = [torch.rand(shape, generator=generator) < 0.5 for shape in Neuron().shapes(graph)]
    pruned = pruned_by(network, graph, Neuron(), kept)
    small, size = compact(pruned).network, remaining_size(pruned)
    assert size.parameters == sum(parameter.numel() for parameter in small.parameters())
    assert size.multiply_adds == counted(small, images)
    assert size.neurons == sum(size.layers) == sum(int(each.sum()) for each in kept)


@pytest.mark.parametrize("name", MODELS)
def test_with_nothing_removed_every_ratio_is_one(name: str) -> None:
    network, graph, _ = subject(name)
    for granularity in (Neuron(), Weight()):
        kept = [torch.ones(shape, dtype=torch.bool) for shape in granularity.shapes(graph)]
        pruned = pruned_by(network, graph, granularity, kept)
        before, after = dense_size(graph, granularity), remaining_size(pruned)
        assert before == after
        assert ratio(before.parameters, after.parameters) == 1
        small = compact(pruned).network
        assert sum(parameter.numel() for parameter in small.parameters()) == before.parameters


def test_of_weights_those_that_stay_are_counted_and_neurons_on_a_path() -> None:
    network, graph, _ = subject("residual")
    kept = [torch.ones(shape, dtype=torch.bool) for shape in Weight().shapes(graph)]
    kept[1][0] = False  # all that enters the first channel of the branch: with a bias it is constant
    size: Size = remaining_size(pruned_by(network, graph, Weight(), kept))
    dense = dense_size(graph, Weight())
    assert dense.weights - size.weights == 8 * 9
    assert dense.multiply_adds - size.multiply_adds == 8 * 9 * 36
    assert dense.neurons - size.neurons == 1
