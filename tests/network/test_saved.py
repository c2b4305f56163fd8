"""A saved network is the network, holds numbers only, and is as small as it should be."""

from __future__ import annotations

import pytest
import torch
from tests.small import linear_layers, mlp_graph, pruned_by, randomise
from torch import nn

from prunelab.compose import compose_job
from prunelab.config import Model
from prunelab.data.dataset import Normalisation
from prunelab.errors import StoreError
from prunelab.graph.analyse import analyse
from prunelab.graph.surgery import resize
from prunelab.network.build import build
from prunelab.network.mlp import MLP
from prunelab.network.packed import unpack_kept
from prunelab.network.saved import Card, dense_bytes, kept_bytes, read_network, sparse_bytes
from prunelab.pruning.compaction import compact
from prunelab.pruning.granularity import Neuron

SCALE = Normalisation((0.25,), (0.5,))


def card(*hidden: int, features: int = 7, **more: object) -> Card:
    model = {"name": "mlp", "network": "prunelab.network.mlp.MLP", "hidden": list(hidden), "bias": True}
    model |= {"activation": "relu", "initialisation": "glorot_uniform", **more}
    weights = [*(f"hidden_{number}.weight" for number in range(1, len(hidden) + 1)), "output.weight"]
    return Card(Model.model_validate(model), (1, 1, features), ("a", "b", "c"), SCALE, tuple(weights))


def network(*hidden: int, features: int = 7, bias: bool = True) -> MLP:
    return MLP(features, 3, hidden=hidden, bias=bias, activation="relu", initialisation="glorot_uniform")


@pytest.mark.parametrize("write", [dense_bytes, sparse_bytes])
@pytest.mark.parametrize("sizes", [(5, 4), (1, 4), (0, 4), (5, 0), (0, 0)])
def test_what_was_written_is_read_into_a_network_of_other_sizes(write: object, sizes: tuple[int, int]) -> None:
    small = network(5, 4)
    values = {}
    for layer, rows, columns in zip(("hidden_1", "hidden_2", "output"), (*sizes, 3), (7, *sizes), strict=True):
        values[f"{layer}.weight"] = torch.rand(rows, columns) * (torch.rand(rows, columns) < 0.5)
        values[f"{layer}.bias"] = torch.rand(rows)
    resize(small, values)
    read, what = read_network(write(small, card(5, 4, bias=False)))  # type: ignore[operator]
    assert what == card(5, 4, bias=False)
    images = torch.rand(6, 7)
    assert torch.equal(read(images), small(images))
    assert not read.training
    assert [layer.in_features for layer in linear_layers(read)] == [7, *sizes]


@pytest.mark.parametrize("write", [dense_bytes, sparse_bytes])
def test_a_compacted_convolutional_network_is_read_with_its_statistics(write: object) -> None:
    model = compose_job(["model=mobilenet_small"]).model
    dense = build(model, (1, 28, 28), 3, seed=0).eval()
    randomise(dense)
    graph = analyse(dense, torch.rand(2, 1, 28, 28))
    kept = [torch.rand(shape) < 0.5 for shape in Neuron().shapes(graph)]
    small = compact(pruned_by(dense, graph, Neuron(), kept)).network
    weights = tuple(layer.weight for layer in graph.layers)
    read, _ = read_network(write(small, Card(model, (1, 28, 28), ("a", "b", "c"), None, weights)))  # type: ignore
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(read(images), small(images))
    assert read.state_dict().keys() == small.state_dict().keys()


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
    mismatched.get_submodule("hidden_2").weight = nn.Parameter(torch.rand(4, 9))
    for content in (
        dense_bytes(network(4), card(4, 4)),
        dense_bytes(network(4, 4), card(4)),
        dense_bytes(mismatched, card(4, 4)),
        dense_bytes(network(4), card(4, network="prunelab.network.mlp.Nothing")),
    ):
        with pytest.raises(StoreError, match="not one of prunelab's"):
            read_network(content)


@pytest.mark.parametrize("write", [dense_bytes, sparse_bytes])
def test_the_same_network_is_the_same_file(write: object) -> None:
    made = network(4, 3)
    assert len({write(made, card(4, 3)) for _ in range(20)}) == 1  # type: ignore[operator]


def test_which_channels_a_compacted_network_holds_is_read_as_written() -> None:
    kept = torch.tensor([True, False, True, False, True])
    first, second, output = unpack_kept(kept_bytes(mlp_graph(7, 3, (3, 2)), kept))
    assert [layer.name for layer in (first, second, output)] == ["hidden_1", "hidden_2", "output"]
    assert first.inputs.all()
    assert first.outputs.tolist() == second.inputs.tolist() == [True, False, True]
    assert second.outputs.tolist() == output.inputs.tolist() == [False, True]
    assert output.outputs.tolist() == [True] * 3


@pytest.mark.parametrize("path", ["os.path.join", "tests.small.Residual", "prunelab.network.build.build"])
def test_code_that_is_not_prunelabs_is_not_run_unless_trusted(path: str) -> None:
    with pytest.raises(StoreError, match="--trust-code"):
        read_network(dense_bytes(network(4), card(4, network=path)))
