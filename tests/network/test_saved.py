"""A saved network is the network, holds numbers only, and is as small as it should be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunelab.config import Model
from prunelab.errors import StoreError
from prunelab.network.layers import linear_layers, set_parameters
from prunelab.network.mlp import MLP
from prunelab.network.saved import Card, dense_bytes, read_network, sparse_bytes


def card(*hidden: int, features: int = 7, **more: object) -> Card:
    model = {"name": "mlp", "network": "prunelab.network.mlp.MLP", "hidden": list(hidden), "bias": True}
    model |= {"activation": "relu", "initialisation": "glorot_uniform", **more}
    return Card(Model.model_validate(model), (1, features), ("a", "b", "c"))


def network(*hidden: int, features: int = 7, bias: bool = True) -> MLP:
    return MLP(features, 3, hidden=hidden, bias=bias, activation="relu", initialisation="glorot_uniform")


@pytest.mark.parametrize("write", [dense_bytes, sparse_bytes])
@pytest.mark.parametrize("sizes", [(5, 4), (1, 4), (0, 4), (5, 0), (0, 0)])
def test_what_was_written_is_read_into_a_network_of_other_sizes(write: object, sizes: tuple[int, int]) -> None:
    small = network(5, 4)
    for layer, rows, columns in zip(linear_layers(small), (*sizes, 3), (7, *sizes), strict=True):
        weight = layer.weight[:rows, :columns] * (torch.rand(rows, columns) < 0.5)
        set_parameters(layer, weight, torch.rand(rows))
    read, what = read_network(write(small, card(5, 4, bias=False)))  # type: ignore[operator]
    assert what == card(5, 4, bias=False)
    images = torch.rand(6, 7)
    assert torch.equal(read(images), small(images))
    assert [layer.in_features for layer in linear_layers(read)] == [7, *sizes]


def test_a_sparse_form_takes_six_bytes_a_weight_that_is_not_zero() -> None:
    large = network(1000, 1000, features=784, bias=False)
    written = card(1000, 1000, features=784, bias=False)
    for layer in linear_layers(large):
        layer.weight.data[torch.rand_like(layer.weight) < 0.99] = 0
    left = sum(int((layer.weight != 0).sum()) for layer in linear_layers(large))
    rows = sum(layer.out_features + 1 for layer in linear_layers(large))
    size = len(sparse_bytes(large, written))
    assert 6 * left + 4 * rows < size < 6 * left + 4 * rows + 2000
    assert len(dense_bytes(large, written)) > 4 * sum(layer.weight.numel() for layer in linear_layers(large))


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"\x80\x04" + b, lambda b: b"", lambda b: b[:8] + b"x" + b[9:]]
)
def test_damaged_bytes_are_refused(damage: object) -> None:
    with pytest.raises(StoreError, match="damaged"):
        read_network(damage(dense_bytes(network(4), card(4))))  # type: ignore[operator]


def test_bytes_that_do_not_fit_their_own_card_are_refused() -> None:
    mismatched = network(4, 4)
    mismatched[2].weight = nn.Parameter(torch.rand(4, 9))
    for content in (
        dense_bytes(network(4), card(4, 4)),
        dense_bytes(network(4, 4), card(4)),
        dense_bytes(mismatched, card(4, 4)),
        dense_bytes(network(4), card(4, network="os.nothing")),
    ):
        with pytest.raises(StoreError, match="not one of prunelab's"):
            read_network(content)


@pytest.mark.parametrize("write", [dense_bytes, sparse_bytes])
def test_the_same_network_is_the_same_file(write: object) -> None:
    made = network(4, 3)
    assert len({write(made, card(4, 3)) for _ in range(20)}) == 1  # type: ignore[operator]
