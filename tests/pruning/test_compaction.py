"""A compacted network computes what the masked one computes, whatever the masks are."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunelab.config import Granularity
from prunelab.network.layers import hidden_layers, linear_layers
from prunelab.network.mlp import ACTIVATIONS, MLP
from prunelab.pruning.compaction import compact
from prunelab.pruning.masks import LayerMask, layer_masks, masked


def network(hidden: list[int], bias: bool, activation: str = "relu") -> MLP:
    made = MLP(6, 3, hidden=hidden, bias=bias, activation=activation, initialisation="glorot_uniform")
    for layer in linear_layers(made):
        if bias:
            nn.init.normal_(layer.bias)
    return made


def same(one: nn.Module, other: nn.Module) -> bool:
    images = torch.randn(20, 6)
    return torch.allclose(one(images), other(images), rtol=1e-4, atol=1e-5)


@settings(max_examples=200)
@given(
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    bias=st.booleans(),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    granularity=st.sampled_from(Granularity),
    share=st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_it_computes_what_the_masked_network_computes(
    hidden: list[int], bias: bool, activation: str, granularity: Granularity, share: float, seed: int
) -> None:
    torch.manual_seed(seed)
    dense = network(hidden, bias, activation)
    shapes = [
        layer.weight.shape if granularity is Granularity.WEIGHT else [layer.out_features]
        for layer in hidden_layers(dense)
    ]
    masks = layer_masks(dense, [torch.rand(list(shape)) < share for shape in shapes], granularity)
    zeroed = masked(dense, masks)
    compacted = compact(zeroed, masks)
    assert same(zeroed, compacted.network)
    sizes = [layer.out_features for layer in linear_layers(compacted.network)]
    assert sizes == [*(int(kept.sum()) for kept in compacted.kept), 3]
    assert sizes[:-1] == [layer.in_features for layer in linear_layers(compacted.network)[1:]]


def test_removed_neurons_rows_biases_and_consumers_columns_are_gone() -> None:
    dense = network([4, 4], bias=True)
    kept = [torch.tensor([True, False, True, False]), torch.tensor([False, True, True, True])]
    masks = layer_masks(dense, kept, Granularity.NEURON)
    first, second, last = linear_layers(compact(masked(dense, masks), masks).network)
    assert torch.equal(first.weight, dense[0].weight[[0, 2]])
    assert torch.equal(first.bias, dense[0].bias[[0, 2]])
    assert torch.equal(second.weight, dense[2].weight[[1, 2, 3]][:, [0, 2]])
    assert torch.equal(last.weight, dense[4].weight[:, [1, 2, 3]])


def test_a_neuron_without_inputs_is_folded_into_the_next_bias() -> None:
    dense = network([2, 2], bias=True)
    nn.init.ones_(dense[0].bias)
    masks = everything(dense)
    masks[0].weight[1] = False
    compacted = compact(masked(dense, masks), masks)
    assert [kept.tolist() for kept in compacted.kept] == [[True, False], [True, True]]
    assert torch.allclose(linear_layers(compacted.network)[1].bias, dense[2].bias + dense[2].weight[:, 1])


def test_a_layer_without_a_bias_gets_one_only_where_a_constant_needs_it() -> None:
    for activation, needs in (("relu", False), ("sigmoid", True)):
        dense = network([3], bias=False, activation=activation)
        masks = everything(dense)
        masks[0].weight[0] = False
        compacted = compact(masked(dense, masks), masks)
        assert (linear_layers(compacted.network)[1].bias is not None) is needs
        assert same(compacted.network, masked(dense, masks))


def test_a_neuron_that_nothing_reads_goes_with_those_that_only_it_reads() -> None:
    dense = network([2, 2], bias=True)
    masks = everything(dense)
    masks[1].weight[0, 0] = False  # the first neuron of the first layer is read only by the second of the next,
    masks[2].weight[:, 1] = False  # which nothing reads
    compacted = compact(masked(dense, masks), masks)
    assert [kept.tolist() for kept in compacted.kept] == [[False, True], [True, False]]


def test_nothing_that_varies_leaves_the_logits_as_a_bias() -> None:
    dense = network([3, 3], bias=True)
    masks = layer_masks(dense, [torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)], Granularity.NEURON)
    compacted = compact(masked(dense, masks), masks)
    assert [layer.weight.numel() for layer in linear_layers(compacted.network)] == [0, 0, 0]
    assert torch.allclose(compacted.network(torch.rand(2, 6)), dense[4].bias.expand(2, 3))


def everything(dense: nn.Module) -> list[LayerMask]:
    kept: list[Tensor] = [torch.ones_like(layer.weight, dtype=torch.bool) for layer in hidden_layers(dense)]
    return layer_masks(dense, kept, Granularity.WEIGHT)
