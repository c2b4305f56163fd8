"""Sums of layers' outputs before a ReLU: those that can be fitted together are found, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.analyse import interpret


class Network(nn.Module):
    """Images [n, 3, 4, 4]; `forward` is the function given, of the network and the images."""

    def __init__(self, compute: Callable[[Network, Tensor], Tensor]) -> None:
        super().__init__()
        self.compute = compute
        self.stem, self.one, self.two = (nn.Conv2d(inputs, 6, 1) for inputs in (3, 6, 6))
        self.grouped, self.deconvolution = nn.Conv2d(6, 6, 1, groups=2), nn.ConvTranspose2d(6, 6, 1)
        self.norm, self.other = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.untracked, self.instance = nn.BatchNorm2d(6, track_running_stats=False), nn.InstanceNorm2d(6)
        self.columns, self.output = nn.Linear(4, 4), nn.Linear(6, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.compute(self, images).mean((2, 3)))
        return logits


def found(compute: Callable[[Network, Tensor], Tensor]) -> list[tuple[str, str, str]]:
    """For each: the layers, the normalisations (`-` for none), and the layers whose inputs are added."""
    torch.manual_seed(0)
    graph = interpret(Network(compute).eval(), torch.randn(2, 3, 4, 4))
    return [
        (
            " ".join(name.removesuffix(".weight") for name in each.layers),
            " ".join("-" if norm is None else str(norm.mean).removesuffix(".running_mean") for norm in each.norms),
            " ".join(name.removesuffix(".weight") for name in each.added),
        )
        for each in graph.preactivations
    ]


def written(network: Network, images: Tensor) -> Tensor:
    """The value that is added changes after the layer has read it."""
    stream = network.stem(images).tanh()
    branch = network.one(stream)
    stream.mul_(2)
    return (branch + stream).relu()


def through_a_view(network: Network, images: Tensor) -> Tensor:
    stream = network.stem(images).tanh()
    branch = network.one(stream)
    stream[:, :1].zero_()
    return (branch + stream).relu()


def read_too_late(network: Network, images: Tensor) -> Tensor:
    stream, other = network.stem(images).tanh(), images.mean(1, keepdim=True).expand(-1, 6, -1, -1).contiguous()
    return (network.one(stream) + other).relu() + network.two(other)


def along_another_dimension(network: Network, images: Tensor) -> Tensor:
    """What is added is read by a linear layer, whose features are the columns of the images."""
    stream = network.stem(images).tanh()
    return (network.one(network.columns(stream).tanh()) + stream).relu()


def in_place(network: Network, images: Tensor) -> Tensor:
    stream = functional.relu(network.norm(network.stem(images)), inplace=True)
    branch = network.other(network.two(network.one(stream)))
    branch += stream
    return branch.relu_()


FOUND: dict[str, tuple[Callable[[Network, Tensor], Tensor], list[tuple[str, str, str]]]] = {
    "relu": (lambda net, x: net.stem(x).relu(), [("stem", "-", "")]),
    "relu_": (lambda net, x: net.stem(x).relu_(), [("stem", "-", "")]),
    "BatchNorm": (lambda net, x: net.norm(net.stem(x)).relu(), [("stem", "norm", "")]),
    "grouped": (lambda net, x: net.grouped(net.stem(x)).relu(), [("grouped", "-", "")]),
    "projection": (
        lambda net, x: (net.norm(net.one(y := net.stem(x).tanh())) + net.two(y)).relu(),
        [("one two", "norm -", "")],
    ),
    "projection first": (
        lambda net, x: (net.two(y := net.stem(x).tanh()) + net.norm(net.one(y))).relu(),
        [("two one", "- norm", "")],
    ),
    "three terms": (
        lambda net, x: (net.one(y := net.stem(x).tanh()) + net.two(y) + y).relu(),
        [("one two", "- -", "one")],
    ),
    "its own input": (lambda net, x: (net.one(y := net.stem(x).tanh()) + y).relu(), [("one", "-", "one")]),
    "in place": (in_place, [("stem", "norm", ""), ("two", "other", "one")]),
    "a value that a layer made": (
        lambda net, x: (net.two(net.one(y := net.stem(x))) + y).relu(),
        [("two", "-", "one")],
    ),
}
NONE: dict[str, Callable[[Network, Tensor], Tensor]] = {
    "gelu": lambda net, x: functional.gelu(net.stem(x)),
    "no activation": lambda net, x: net.stem(x),
    "also read elsewhere": lambda net, x: (y := net.stem(x)).relu() + y,
    "the sum is also read elsewhere": lambda net, x: (z := net.one(y := net.stem(x).tanh()) + y).relu() + z,
    "called twice": lambda net, x: (net.one(net.one(net.stem(x).tanh()).tanh())).relu(),
    "twice the layer": lambda net, x: (torch.add(net.stem(x), net.one(net.stem(x)), alpha=2)).relu(),
    "nobody reads what is added": lambda net, x: (net.stem(x) + x.mean(1, keepdim=True).expand(-1, 6, -1, -1)).relu(),
    "read too late": read_too_late,
    "read along another dimension": along_another_dimension,
    "written after it was read": written,
    "written through a view": through_a_view,
    "broadcast": lambda net, x: (net.one(y := net.stem(x).tanh()) + y.mean((2, 3), keepdim=True)).relu(),
    "a constant": lambda net, x: (net.stem(x) + 1).relu(),
    "itself": lambda net, x: ((y := net.stem(x)) + y).relu(),
    "without running statistics": lambda net, x: net.untracked(net.stem(x)).relu(),
    "InstanceNorm": lambda net, x: net.instance(net.stem(x)).relu(),
    "a normalisation that is used twice": lambda net, x: net.norm(net.norm(net.stem(x))).relu(),
    "transposed": lambda net, x: net.deconvolution(net.stem(x)).relu(),
    "groups beside another layer": lambda net, x: (net.grouped(y := net.stem(x).tanh()) + net.two(y)).relu(),
    "subtracted": lambda net, x: (net.one(y := net.stem(x).tanh()) - y).relu(),
}


@pytest.mark.parametrize("name", FOUND)
def test_sums_before_a_relu_are_found(name: str) -> None:
    compute, expected = FOUND[name]
    assert found(compute) == expected


@pytest.mark.parametrize("name", NONE)
def test_what_could_not_be_fitted_exactly_is_left_out(name: str) -> None:
    assert found(NONE[name]) == []


def test_the_dimension_of_a_normalisation_after_a_linear_layer() -> None:
    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.output = nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = (
                self.output(self.norm(self.first(images)).relu().flatten(1, -2).mean(1)[:, :5])
                if (images.dim() > 3)
                else self.output(self.norm(self.first(images)).relu())
            )
            return logits

    assert len(interpret(Sequence().eval(), torch.randn(2, 5)).preactivations) == 1
    assert interpret(Sequence().eval(), torch.randn(2, 5, 5)).preactivations == ()
