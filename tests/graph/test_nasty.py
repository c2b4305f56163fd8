"""Networks of awkward kinds: what can be removed is removed exactly, the rest is left whole, with the reason."""

from __future__ import annotations

import pytest
import torch
from tests.graph import nets
from torch import Tensor, nn

from prunelab.errors import NetworkError
from prunelab.graph.analyse import analyse
from prunelab.graph.exact import difference
from prunelab.graph.graph import Graph
from prunelab.graph.masks import masked, unit_mask
from prunelab.graph.surgery import runnable, smaller

FLAT, IMAGES = (16,), (1, 8, 8)


def analysed(network: nn.Module, shape: tuple[int, ...]) -> Graph:
    """The graph, after compacted and masked were seen to agree for random choices of units, and for none left."""
    images = torch.randn(6, *shape, generator=torch.Generator().manual_seed(1))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    graph = analyse(network.eval(), images)
    choices = [torch.rand(graph.units, generator=torch.Generator().manual_seed(seed)) < 0.5 for seed in range(4)]
    for chosen in (*choices, torch.zeros(graph.units, dtype=torch.bool)):
        assert exact(network, graph, chosen, images) < 1e-5
    return graph


@torch.no_grad()
def exact(network: nn.Module, graph: Graph, chosen: Tensor, images: Tensor) -> float:
    pruned = masked(network, unit_mask(graph, chosen))
    found = smaller(pruned, graph, runnable(graph, chosen))(images.clone())
    return difference(found, pruned(images.clone()))


def sizes(graph: Graph) -> dict[str, int]:
    return {group.name: group.size for group in graph.groups}


def test_batch_normalisation_between_linear_layers_goes_with_its_neurons() -> None:
    network = nn.Sequential(nn.Linear(16, 12), nn.BatchNorm1d(12), nn.Sigmoid(), nn.Dropout(), nn.Linear(12, 4))
    graph = analysed(network, FLAT)
    assert sizes(graph) == {"0": 12}
    assert {slot.tensor for slot in graph.slots} >= {"1.weight", "1.bias", "1.running_mean", "1.running_var"}


def test_a_residual_connection_ties_layers_of_equal_widths() -> None:
    graph = analysed(nets.EqualWidths(), FLAT)
    assert [(group.name, group.size, group.layers) for group in graph.groups] == [("first", 16, ("first", "second"))]


def test_the_order_of_registration_and_unused_layers_do_not_matter() -> None:
    graph = analysed(nets.OutOfOrder(), FLAT)
    assert [layer.name for layer in graph.layers] == ["first", "second", "output"]
    assert sizes(graph) == {"first": 16, "second": 16}
    assert [layer.name for layer in graph.prunable] == ["first", "second"]


def test_a_layer_that_is_used_twice_ties_its_inputs_to_its_outputs() -> None:
    graph = analysed(nets.Twice(), FLAT)
    assert sizes(graph) == {"embed": 8}
    assert graph.groups[0].layers == ("embed", "again")


def test_what_is_partly_read_stays_whole_and_says_so() -> None:
    graph = analysed(nets.PartlyRead(), FLAT)
    assert sizes(graph) == {"second": 8}
    assert "slice" in graph.whole["first"]


def test_outputs_may_be_dicts_and_tuples() -> None:
    graph = analysed(nets.SeveralOutputs(), FLAT)
    assert "body" in graph.whole  # it is summed over its neurons
    assert {layer.name for layer in graph.layers if layer.output} == {"one", "other"}


@pytest.mark.parametrize(
    ("network", "layer", "shape"), [(nets.HardCodedView(), "second", IMAGES), (nets.HardCodedSplit(), "first", FLAT)]
)
def test_a_width_that_is_written_in_forward_keeps_its_layer_whole(
    network: nn.Module, layer: str, shape: tuple[int, ...]
) -> None:
    graph = analysed(network, shape)
    assert "forward()" in graph.whole[layer]
    assert layer not in sizes(graph)


def test_equal_chunks_lose_the_same_places() -> None:
    assert sizes(analysed(nets.Chunks(), FLAT)) == {"first": 8}


def test_groups_and_a_channel_shuffle_lose_the_same_in_each_part() -> None:
    graph = analysed(nets.Shuffle(), (4, 8, 8))
    assert graph.units > 0
    assert "second" in sizes(graph)


def test_gates_and_depthwise_convolutions_go_with_their_channels() -> None:
    graph = analysed(nets.Gates(), IMAGES)
    assert sizes(graph) == {"stem": 8, "squeeze": 4}
    assert graph.groups[0].layers == ("stem", "excite", "depthwise")
    assert "scale" in {slot.tensor for slot in graph.slots}
    assert "where" in graph.whole


def test_channels_that_are_joined_are_removed_one_by_one() -> None:
    assert sizes(analysed(nets.Dense(), IMAGES)) == {"first": 6, "second": 6, "third": 10}


def test_of_a_transformer_the_hidden_layer_of_its_perceptron_is_pruned_and_its_stream_stays() -> None:
    graph = analysed(nets.Transformer(), IMAGES)
    assert sizes(graph) == {"fc1": 24}
    assert "layer norm" in graph.whole["fc2"] or "joins" in graph.whole["fc2"]


def test_layers_that_share_a_weight_are_pruned_as_one() -> None:
    network = nets.Tied()
    graph = analysed(network, FLAT)
    assert sizes(graph) == {"first": 12}
    small = smaller(network, graph, torch.arange(12) < 5)
    assert small.other.weight is small.one.weight  # type: ignore[union-attr]
    assert small.one.weight.shape == (5, 5)  # type: ignore[union-attr]


def test_transposed_convolutions_are_pruned_and_divisors_stay() -> None:
    graph = analysed(nets.Upsampling(), IMAGES)
    assert sizes(graph) == {"down": 8}
    assert "divisors" in graph.whole["below"]


def test_an_input_that_is_overwritten_after_it_was_read_is_followed() -> None:
    graph = analysed(nets.OverwrittenInput(), FLAT)
    assert sizes(graph) == {"first": 16}
    assert [layer.name for layer in graph.layers if layer.output] == ["output"]


@pytest.mark.parametrize(
    ("network", "words"),
    [(nets.TwoInputs(), "more"), (nets.DependsOnValues(), "traced"), (nn.Linear(9, 4), "cannot take images of 16")],
)
def test_what_cannot_be_traced_is_refused_in_words(network: nn.Module, words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        analyse(network, torch.rand(4, 16))


def test_analysis_leaves_the_network_as_it_was() -> None:
    network = nets.Gates()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    network.norm.eval()
    analyse(network, torch.rand(4, 1, 8, 8))
    assert network.training
    assert network.stem.training
    assert not network.norm.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
