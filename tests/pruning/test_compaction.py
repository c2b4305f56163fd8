"""A compacted network computes what the masked one computes, whatever the masks are."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples
from tests.small import everything, linear_layers, mlp, mlp_graph, pruned_by
from torch import nn

from prunelab.graph.analyse import analyse
from prunelab.network.mlp import ACTIVATIONS
from prunelab.pruning.compaction import compact, live_units, runnable
from prunelab.pruning.granularity import Granularity, Neuron, Weight

HIDDEN = ((1,), (9,), (4, 7), (1, 1), (8, 1, 5), (3, 9, 2), (5, 5, 5, 5), (2, 6, 1, 8))


def same(one: nn.Module, other: nn.Module) -> bool:
    images = torch.randn(20, 6)
    return torch.allclose(one(images), other(images), rtol=1e-4, atol=1e-5)


@settings(max_examples=examples(200))
@given(
    hidden=st.sampled_from(HIDDEN),
    bias=st.booleans(),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    granularity=st.sampled_from([Weight(), Neuron()]),
    share=st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_it_computes_what_the_masked_network_computes(
    hidden: tuple[int, ...], bias: bool, activation: str, granularity: Granularity, share: float, seed: int
) -> None:
    dense, graph = mlp(6, 3, hidden, bias, activation, seed), mlp_graph(6, 3, hidden, bias)
    torch.manual_seed(seed)
    pruned = pruned_by(dense, graph, granularity, [torch.rand(shape) < share for shape in granularity.shapes(graph)])
    compacted = compact(pruned)
    assert same(pruned.network, compacted.network)
    sizes = [layer.out_features for layer in linear_layers(compacted.network)]
    assert sizes == [*(int(compacted.kept[group.units].sum()) for group in graph.groups), 3]
    assert sizes[:-1] == [layer.in_features for layer in linear_layers(compacted.network)[1:]]


def test_removed_neurons_rows_biases_and_consumers_columns_are_gone() -> None:
    dense = mlp(6, 3, (4, 4))
    kept = [torch.tensor([True, False, True, False]), torch.tensor([False, True, True, True])]
    small = compact(pruned_by(dense, mlp_graph(6, 3, (4, 4)), Neuron(), kept)).network
    first, second, last = linear_layers(small)
    before = linear_layers(dense)
    assert type(small) is type(dense)
    assert torch.equal(first.weight, before[0].weight[[0, 2]])
    assert torch.equal(first.bias, before[0].bias[[0, 2]])
    assert torch.equal(second.weight, before[1].weight[[1, 2, 3]][:, [0, 2]])
    assert torch.equal(last.weight, before[2].weight[:, [1, 2, 3]])


def test_a_neuron_without_inputs_is_folded_into_the_next_bias() -> None:
    dense, graph = mlp(6, 3, (2, 2)), mlp_graph(6, 3, (2, 2))
    first, second, _ = linear_layers(dense)
    nn.init.ones_(first.bias)
    kept = everything(graph, Weight())
    kept[0][1] = False
    compacted = compact(pruned_by(dense, graph, Weight(), kept))
    assert compacted.kept.tolist() == [True, False, True, True]
    assert torch.allclose(linear_layers(compacted.network)[1].bias, second.bias + second.weight[:, 1])


def test_a_layer_without_a_bias_gets_one_only_where_a_constant_needs_it() -> None:
    for activation, needs in (("relu", False), ("sigmoid", True)):
        graph = mlp_graph(6, 3, (3,), False)
        kept = everything(graph, Weight())
        kept[0][0] = False
        pruned = pruned_by(mlp(6, 3, (3,), False, activation), graph, Weight(), kept)
        compacted = compact(pruned)
        assert (linear_layers(compacted.network)[1].bias is not None) is needs
        assert same(compacted.network, pruned.network)


def test_a_bias_that_folding_made_loses_the_neurons_that_its_layer_loses() -> None:
    graph = mlp_graph(6, 3, (3, 4), False)
    kept = everything(graph, Weight())
    kept[0][0] = False  # the first neuron of the first layer gives sigmoid(0) to all of the next,
    kept[1][2, 1:] = False  # whose third neuron reads nothing else, and goes
    pruned = pruned_by(mlp(6, 3, (3, 4), False, "sigmoid"), graph, Weight(), kept)
    compacted = compact(pruned)
    assert compacted.kept.tolist() == [False, True, True, True, True, False, True]
    assert linear_layers(compacted.network)[1].bias.shape == (3,)
    assert same(compacted.network, pruned.network)


def test_a_bias_that_two_layers_share_is_not_changed_for_one_of_them() -> None:
    dense = mlp(6, 3, (3, 3, 3), True, "sigmoid")
    layers = linear_layers(dense)
    layers[2].bias = layers[1].bias
    graph = analyse(dense, torch.rand(2, 6))
    kept = everything(graph, Weight())
    kept[0][0] = False
    pruned = pruned_by(dense, graph, Weight(), kept)
    assert same(compact(pruned).network, pruned.network)


def test_a_neuron_that_nothing_reads_goes_with_those_that_only_it_reads() -> None:
    dense, graph = mlp(6, 3, (2, 2, 2)), mlp_graph(6, 3, (2, 2, 2))
    kept = everything(graph, Weight())
    kept[1][0, 0] = False  # the first neuron of the first layer is read only by the second of the next,
    kept[2][:, 1] = False  # which nothing reads
    compacted = compact(pruned_by(dense, graph, Weight(), kept))
    assert compacted.kept.tolist() == [False, True, True, False, True, True]


def test_nothing_that_varies_leaves_the_logits_as_a_bias() -> None:
    dense = mlp(6, 3, (3, 3))
    kept = [torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)]
    compacted = compact(pruned_by(dense, mlp_graph(6, 3, (3, 3)), Neuron(), kept))
    assert [layer.weight.numel() for layer in linear_layers(compacted.network)] == [0, 0, 0]
    assert torch.allclose(compacted.network(torch.rand(2, 6)), linear_layers(dense)[-1].bias.expand(2, 3))


def test_a_convolution_that_would_be_empty_keeps_one_channel_that_is_zero() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Flatten(), nn.Linear(48, 2))
    images = torch.rand(5, 1, 8, 8)
    graph = analyse(network, images)
    assert runnable(graph, torch.zeros(7, dtype=torch.bool)).tolist() == [True, *[False] * 3, True, False, False]
    pruned = pruned_by(network, graph, Neuron(), [torch.zeros(4).bool(), torch.tensor([True, False, True])])
    small = compact(pruned).network
    assert small.get_submodule("0").weight.shape == (1, 1, 3, 3)
    assert not small.get_submodule("0").weight.any()
    assert torch.allclose(small(images), pruned.network(images), atol=1e-6)


def test_a_neuron_is_live_only_on_a_path_from_an_input_to_an_output() -> None:
    graph = mlp_graph(3, 2, (2, 2, 2), False)
    network = mlp(3, 2, (2, 2, 2), False)
    no_inputs = everything(graph, Weight())
    no_inputs[0][0] = False  # the first neuron has no inputs, so the first of the next, which reads only it, has none
    no_inputs[1][0, 1] = False
    live = live_units(pruned_by(network, graph, Weight(), no_inputs))
    assert live.tolist() == [False, True, False, True, True, True]
    no_readers = everything(graph, Weight())
    no_readers[1][:, 1] = False
    live = live_units(pruned_by(network, graph, Weight(), no_readers))
    assert live.tolist() == [True, False, True, True, True, True]
