"""Whatever a network is made of, and whatever is removed: the compacted one computes what the masked one computes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import examples
from tests.graph.random_networks import Spec, images, specs, subject
from tests.small import pruned_by
from torch import Tensor, nn

from prunelab.choices import GranularityName, Scope
from prunelab.config import Method
from prunelab.graph.exact import difference
from prunelab.measure.size import dense_size, remaining_size
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.granularity import Granularity, Neuron, Weight
from prunelab.pruning.prune import prune

EXACT = 1e-9
EXAMPLES = examples(40)
shares = st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.6, 0.9, 1.0]), min_size=1, max_size=4)
seeds = st.integers(0, 1000)


def drawn(shapes: Sequence[tuple[int, ...]], shares: Sequence[float], seed: int) -> list[Tensor]:
    """A random choice in each layer that keeps a share of its units: the shares in turn, all or nothing among them."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.rand(shape, generator=generator) < shares[number % len(shares)] for number, shape in enumerate(shapes)
    ]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def difference_when(spec: Spec, granularity: Granularity, choice: Sequence[float], seed: int) -> float:
    network, graph = subject(spec)
    pruned = pruned_by(network, graph, granularity, drawn(granularity.shapes(graph), choice, seed))
    with torch.no_grad():
        return difference(compact(pruned).network(images(4)), pruned.network(images(4)))


@settings(max_examples=EXAMPLES)
@given(specs, shares, seeds)
def test_compacted_equals_masked_when_units_are_removed(spec: Spec, choice: list[float], seed: int) -> None:
    assert difference_when(spec, Neuron(), choice, seed) < EXACT


@settings(max_examples=EXAMPLES)
@given(specs, shares, seeds)
def test_compacted_equals_masked_when_weights_are_removed(spec: Spec, choice: list[float], seed: int) -> None:
    assert difference_when(spec, Weight(), choice, seed) < EXACT


@settings(max_examples=EXAMPLES)
@given(specs, st.lists(st.sampled_from([0.3, 0.6, 0.9]), min_size=1, max_size=3), seeds)
def test_parameters_that_are_counted_are_those_that_the_compacted_network_holds(
    spec: Spec, choice: list[float], seed: int
) -> None:
    network, graph = subject(spec)
    assert dense_size(graph, Neuron()).parameters == parameters(network)
    kept = drawn(Neuron().shapes(graph), choice, seed)
    for layer in kept:
        layer[0] = True  # where a layer is emptied, what it fed is constant and goes too
    pruned = pruned_by(network, graph, Neuron(), kept)
    assert remaining_size(pruned).parameters == parameters(compact(pruned).network)


@settings(max_examples=EXAMPLES // 2)
@given(
    specs,
    st.sampled_from([GranularityName.NEURON, GranularityName.WEIGHT, GranularityName.BLOCK]),
    st.sampled_from(Scope),
    st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted),
)
def test_exactly_the_floor_goes_and_masks_nest(
    spec: Spec, name: GranularityName, scope: Scope, percentages: list[float]
) -> None:
    network, graph = subject(spec)
    score = "l2_norm" if name is GranularityName.NEURON else "magnitude"
    method = Method(name="own", granularity=name, score=score, scope=scope, min_keep=0, block=(2, 2))
    given_images = Calibration(images(4), None, seed=0)
    fewer, more = (prune(network, graph, method, percentage, given_images) for percentage in percentages)
    for pruned, percentage in zip((fewer, more), percentages, strict=True):
        kept = torch.cat([torch.zeros(0, dtype=torch.bool), *(each.flatten() for each in pruned.kept)])
        assert int((~kept).sum()) == Fraction(repr(percentage)) * len(kept) // 100
    for parameter, mask in fewer.mask.items():
        assert not (more.mask[parameter] & ~mask).any(), "what went stays gone"
