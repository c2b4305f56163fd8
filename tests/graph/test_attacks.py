"""Networks built to mislead analysis: compacted equals masked for units and for weights, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from tests.graph import attacks, attacks_on_maps, nets
from tests.small import everything, mlp_graph, pruned_by, randomise
from torch import Tensor, nn

from prunelab.choices import PercentageOf
from prunelab.compose import compose_job
from prunelab.errors import PrunelabError
from prunelab.graph.analyse import analyse, some_of
from prunelab.graph.exact import difference
from prunelab.graph.graph import Graph
from prunelab.graph.surgery import smaller
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.criteria import neuron, weight
from prunelab.pruning.granularity import Granularity, Neuron, Weight
from prunelab.pruning.prune import check

FLAT, MAPS, DEEP = (16,), (1, 8, 8), (4, 8, 8)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{
        each.__name__: (each, FLAT)
        for each in (
            *(attacks.FixedProjection, attacks.WidthOfOne, attacks.BothWays, attacks.ReadAsData, attacks.Centred),
            *(attacks.DividedByParameter, attacks.PlainConstant, attacks.Alias, attacks.InList, attacks.Paired),
            *(attacks.OverwrittenThroughView, attacks.SecondOfTwoNames, attacks.WeightNorm, attacks.Recurrent),
            *(nets.EqualWidths, nets.OutOfOrder, nets.Twice, nets.PartlyRead, nets.HardCodedSplit, nets.Chunks),
            *(nets.Tied, nets.OverwrittenInput),
        )
    },
    **{
        each.__name__: (each, MAPS)
        for each in (
            *(
                attacks_on_maps.TwoScales,
                attacks_on_maps.GatedConstant,
                attacks_on_maps.Positions,
                attacks_on_maps.PaddedChannels,
                attacks_on_maps.EachAlone,
            ),
            *(nets.HardCodedView, nets.Gates, nets.Dense, nets.Transformer, nets.Upsampling),
        )
    },
    "Shuffle": (nets.Shuffle, DEEP),
    **{how: (lambda how=how: attacks.ReadsAll(how), FLAT) for how in attacks.ReadsAll.HOWS},
}


@cache
def subject(name: str) -> tuple[nn.Module, Graph, Tensor]:
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    network, images = make().eval(), torch.randn(5, *shape)
    randomise(network)
    return network, analyse(network, images), images


@torch.no_grad()
def farthest(network: nn.Module, graph: Graph, images: Tensor, granularity: Granularity, choices: list[float]) -> float:
    """The largest difference of compacted and masked over random choices that keep these shares."""
    worst = 0.0
    for number, share in enumerate(choices):
        generator = torch.Generator().manual_seed(number)
        kept = [torch.rand(shape, generator=generator) < share for shape in granularity.shapes(graph)]
        pruned = pruned_by(network, graph, granularity, kept)
        worst = max(worst, difference(compact(pruned).network(images.clone()), pruned.network(images.clone())))
    return worst


@pytest.mark.parametrize("name", NETWORKS)
def test_compacted_equals_masked_for_units_and_for_weights(name: str) -> None:
    network, graph, images = subject(name)
    assert farthest(network, graph, images, Neuron(), [0.5, 0.2, 0.8, 0.0]) < 1e-5
    assert farthest(network, graph, images, Weight(), [0.7, 0.3, 0.1, 0.0]) < 1e-5


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("FixedProjection", {}),
        ("WidthOfOne", {"first": 1}),
        ("BothWays", {}),
        ("ReadAsData", {}),
        ("Centred", {"first": 8}),
        ("DividedByParameter", {}),
        ("PlainConstant", {}),
        ("Alias", {}),
        ("InList", {"first": 8, "weights.0": 6, "weights.1": 8}),
        ("OverwrittenThroughView", {"first": 8}),
        ("TwoScales", {"stem": 6, "shared": 6}),
        ("SecondOfTwoNames", {"first": 8, "unused": 8}),
        ("GatedConstant", {"stem": 6, "reader": 5}),
        ("Positions", {"stem": 6, "reader": 5}),
        ("Paired", {"first": 6}),
        ("WeightNorm", {}),
        ("Recurrent", {}),
        ("PaddedChannels", {}),
        ("EachAlone", {"stem": 6, "reader": 5}),
        *((how, {}) for how in attacks.ReadsAll.HOWS),
    ],
)
def test_what_can_be_removed_is_found_and_the_rest_is_whole_with_a_reason(name: str, sizes: dict[str, int]) -> None:
    _, graph, _ = subject(name)
    assert {group.name: group.size for group in graph.groups} == sizes
    given = {layer for group in graph.groups for layer in group.layers}
    for layer in graph.layers:
        assert layer.name in given or graph.whole[layer.name], f"{layer.name} is whole without a reason"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_layers_that_give_the_outputs_are_never_ranked(name: str) -> None:
    _, graph, _ = subject(name)
    outputs = {"SeveralOutputs": {"one", "other"}}.get(name, {"output"})
    assert {layer.name for layer in graph.layers if layer.output} == outputs
    assert not outputs & {layer.name for layer in graph.prunable}
    assert not outputs & {group.name for group in graph.groups}


# The layers of torch's own attention cannot be seen, inputs of transposed convolutions not be unfolded, and what is
# overwritten not be differentiated.
@pytest.mark.parametrize(
    "name", [name for name in NETWORKS if name not in ("Transformer", "Upsampling", "OverwrittenInput")]
)
def test_every_criterion_ranks_what_analysis_found(name: str) -> None:
    network, graph, images = subject(name)
    given = Calibration(images, torch.arange(5) % 4, seed=0)
    for criterion in (neuron.l2_norm, neuron.l1_norm, neuron.in_out_norm, neuron.activation, neuron.taylor):
        score = criterion(network, graph, given)
        assert score.shape == (graph.units,)
        assert bool(torch.isfinite(score).all())
    for by_weight in (weight.magnitude, weight.lamp, weight.taylor, weight.wanda, weight.obs):
        saliencies = by_weight(network, graph, given)
        assert {key: value.shape for key, value in saliencies.items()} == {
            layer.weight: graph.shapes[layer.weight] for layer in graph.prunable
        }


def test_a_copy_shares_nothing_with_the_network_not_even_through_lists() -> None:
    network, graph, _ = subject("Alias")
    small = smaller(network, graph, torch.ones(graph.units, dtype=torch.bool))
    assert small.weights[0] is small.inner.weight  # type: ignore[union-attr, index]
    theirs = {value.data_ptr() for value in network.state_dict().values()}
    assert not theirs & {value.data_ptr() for value in [*small.state_dict().values(), small.weights[0]]}  # type: ignore


def test_weights_of_a_layer_used_at_two_sizes_are_judged_by_the_inputs_at_both() -> None:
    network, graph, images = subject("TwoScales")
    large = network.get_submodule("stem")(images).sigmoid()
    small = nn.functional.avg_pool2d(large, 2)
    rows = torch.cat([nn.functional.unfold(maps, 3, padding=1).movedim(1, -1).flatten(0, 1) for maps in (large, small)])
    shared = network.get_parameter("shared.weight")
    expected = shared.abs() * rows.square().mean(0).sqrt().view(6, 3, 3)
    found = weight.wanda(network, graph, Calibration(images, None, seed=0))["shared.weight"]
    torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize("name", ["GatedConstant", "Positions"])
def test_a_constant_channel_is_not_folded_where_it_meets_what_varies(name: str) -> None:
    network, graph, images = subject(name)
    kept = everything(graph, Weight())
    kept[Weight().layers(graph).index("stem")][2] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    small = compact(pruned)
    assert bool(small.kept.all())
    with torch.no_grad():
        assert difference(small.network(images), pruned.network(images)) < 1e-5


def test_a_constant_is_not_added_to_the_bias_of_another_module_that_has_the_same_weight() -> None:
    network, graph, images = subject("SecondOfTwoNames")
    kept = everything(graph, Weight())
    kept[Weight().layers(graph).index("first")][2] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    with torch.no_grad():
        assert difference(compact(pruned).network(images), pruned.network(images)) < 1e-5


def test_of_every_group_that_is_tried_some_units_go_and_one_stays() -> None:
    """A group of two or three from which by chance nothing is taken would not be tried at all."""
    for size in range(1, 8):
        graph = mlp_graph(3, 2, (size, size + 1))
        kept = some_of(graph, graph.groups)
        for group in graph.groups:
            assert bool(kept[group.units].any())
            assert group.size == 1 or not bool(kept[group.units].all())


def test_a_network_without_a_hidden_layer_has_no_units_and_is_refused_by_every_method_in_words() -> None:
    graph = analyse(nn.Linear(16, 4), torch.randn(2, 16))
    assert (graph.units, graph.prunable) == (0, ())
    for name in ("weight", "neuron"):
        with pytest.raises(PrunelabError, match="the network has no unit that it could remove"):
            check(graph, compose_job([f"method={name}"]).method, 50, PercentageOf.UNITS)
