"""The file that a job leaves is the smaller of its forms, and its bytes are counted as they are on disk."""

from __future__ import annotations

import gzip

import torch
from tests.small import linear_layers, mlp

from prunelab.config import Model
from prunelab.measure.files import saved
from prunelab.network.mlp import MLP
from prunelab.network.saved import Card, dense_bytes, read_network, sparse_bytes
from prunelab.pruning.granularity import Block, Neuron, NofM, Weight

CARD = Card(
    Model.model_validate(
        {
            **{"name": "mlp", "network": "prunelab.network.mlp.MLP", "hidden": [300], "bias": False},
            **{"activation": "relu", "initialisation": "glorot_uniform"},
        }
    ),
    (1, 10, 10),
    ("a", "b"),
    None,
    ("hidden_1.weight", "output.weight"),
)


def network(sparsity: float) -> MLP:
    made = mlp(100, 2, [300], bias=False)
    for layer in linear_layers(made):
        layer.weight.data[torch.rand_like(layer.weight) < sparsity] = 0
    return made


def test_weights_are_saved_in_whichever_form_is_smaller() -> None:
    for sparsity, form in ((0.1, "dense"), (0.9, "sparse")):
        made = network(sparsity)
        file = saved(made, Weight(), CARD)
        assert file.form == form
        assert (file.dense, file.sparse) == (len(dense_bytes(made, CARD)), len(sparse_bytes(made, CARD)))
        assert len(file.content) == min(file.dense, file.sparse or 0)
        images = torch.rand(4, 1, 10, 10)
        assert torch.equal(read_network(file.content)[0](images), made(images))


def test_a_network_with_fewer_neurons_is_saved_dense_and_any_scattered_one_as_it_is_smaller() -> None:
    file = saved(network(0.9), Neuron(), CARD)
    assert file.sparse is None
    assert file.form == "dense"
    assert [saved(network(0.9), each, CARD).form for each in (NofM(4), Block(4, 4))] == ["sparse", "sparse"]


def test_gzipped_bytes_are_those_of_gzip() -> None:
    file = saved(network(0.5), Neuron(), CARD)
    assert file.gzipped() == len(gzip.compress(file.content, 6))
    assert file.gzipped() < len(file.content)
