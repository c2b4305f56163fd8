"""Refitting a network: exact where an exact answer exists; layers whose outputs are added fit together."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from tests.recovery.residual_blocks import Blocks
from tests.small import Residual, everything, linear_layers, mlp, mlp_graph, pruned_by
from torch import Tensor, nn

from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.compaction import compact
from prunelab.pruning.granularity import Granularity, Neuron, Weight
from prunelab.pruning.prune import Pruned
from prunelab.recovery.batch_norm import reestimated
from prunelab.recovery.refit import refit
from prunelab.recovery.targets import layer_targets


def refitted(
    pruned: Pruned, dense: nn.Module, images: Tensor, ridge: float, together: bool = False, rounds: int = 0
) -> nn.Module:
    given = Calibration(images, None, seed=0)
    targets = layer_targets(dense, pruned.graph, given, together=together)
    return refit(pruned, targets, given, ridge, rounds=rounds).network


def test_a_neuron_that_another_one_repeats_is_replaced_without_loss() -> None:
    network = mlp(6, 3, [4], bias=False)
    first, last = linear_layers(network)
    with torch.no_grad():
        first.weight[1] = 2 * first.weight[0]
    images = torch.rand(200, 6, generator=torch.Generator().manual_seed(0))
    pruned = pruned_by(network, mlp_graph(6, 3, (4,), False), Neuron(), [torch.tensor([True, False, True, True])])
    found = refitted(pruned, network, images, ridge=1e-7)
    torch.testing.assert_close(found(images), network(images), atol=2e-3, rtol=1e-3)
    expected = last.weight[:, 0] + 2 * last.weight[:, 1]
    torch.testing.assert_close(linear_layers(found)[-1].weight[:, 0], expected, atol=5e-3, rtol=5e-3)


def test_a_channel_that_another_one_repeats_is_replaced_without_loss() -> None:
    network = Residual().eval()
    with torch.no_grad():
        network.widen.weight[1] = 2 * network.widen.weight[0]
        network.widen.bias[1] = 2 * network.widen.bias[0]
    images = torch.rand(60, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    graph = analyse(network, images)
    kept = everything(graph, Neuron())
    kept[1][1] = False
    found = refitted(pruned_by(network, graph, Neuron(), kept), network, images, ridge=1e-7)
    torch.testing.assert_close(found(images), network(images), atol=5e-3, rtol=1e-3)
    expected = network.narrow.weight[:, 0] + 2 * network.narrow.weight[:, 1]
    torch.testing.assert_close(found.get_submodule("narrow").weight[:, 0], expected, atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("granularity", [Neuron(), Weight()])
def test_nothing_removed_changes_nothing(granularity: Neuron | Weight) -> None:
    network, graph = mlp(6, 3, [4, 5]), mlp_graph(6, 3, (4, 5))
    pruned = pruned_by(network, graph, granularity, everything(graph, granularity))
    found = refitted(pruned, network, torch.rand(50, 6), 1e-3)
    for one, two in zip(network.state_dict().values(), found.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_a_layer_that_is_used_twice_stays_as_it_is() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.again, self.output = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.output(self.again(self.again(self.first(images)).relu()).relu())
            return logits

    torch.manual_seed(0)
    network, images = Twice(), torch.randn(40, 6)
    graph = analyse(network, images)
    kept = everything(graph, Weight())
    kept[0][0, 0] = kept[1][0, 0] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    found = refitted(pruned, network, images, 1e-3)
    assert torch.equal(found.get_submodule("again").weight, pruned.network.get_submodule("again").weight)
    assert not torch.equal(found.get_submodule("output").weight, network.output.weight)


@pytest.mark.parametrize("after", ["relu", "relu_", "gelu", "bare", "twice"])
def test_only_layers_before_a_relu_are_refitted_to_what_it_lets_through(after: str) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.middle, self.output = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            hidden = self.middle(self.first(images).tanh())
            used = {
                "relu": lambda: hidden.relu(),
                "relu_": lambda: hidden.relu_(),
                "gelu": lambda: nn.functional.gelu(hidden),
                "bare": lambda: hidden,
                "twice": lambda: hidden.relu() + hidden,
            }[after]()
            logits: Tensor = self.output(used)
            return logits

    torch.manual_seed(0)
    network, images = Network(), torch.randn(200, 6)
    graph = analyse(network, images)
    assert [each.layers for each in graph.preactivations] == ([("middle.weight",)] if "relu" in after else [])
    kept = everything(graph, Weight())
    kept[0][::2] = kept[1][:, ::2] = False
    pruned = pruned_by(network, graph, Weight(), kept)
    apart = refitted(pruned, network, images, 1e-3).state_dict()
    together = refitted(pruned, network, images, 1e-3, together=True, rounds=3).state_dict()
    assert torch.equal(apart["first.weight"], together["first.weight"])
    assert torch.equal(apart["middle.weight"], together["middle.weight"]) == ("relu" not in after)


@cache
def blocks(later: bool = True, affine: bool = True) -> tuple[Blocks, Graph, Tensor]:
    """With the statistics of these images in its BatchNorm layers."""
    torch.manual_seed(3)
    network, images = Blocks(later, affine).eval(), torch.randn(60, 3, 6, 6)
    graph = analyse(network, images)
    whole = pruned_by(network, graph, Neuron(), everything(graph, Neuron()))
    network.load_state_dict(reestimated(whole, Calibration(images, None, seed=0)).network.state_dict())
    return network, graph, images


def some_removed(later: bool = True, affine: bool = True, granularity: Granularity | None = None) -> Pruned:
    network, graph, _ = blocks(later, affine)
    granularity = granularity or Neuron()
    generator = torch.Generator().manual_seed(1)
    kept = [torch.rand(each.shape, generator=generator) > 0.5 for each in everything(graph, granularity)]
    return pruned_by(network, graph, granularity, kept)


def errors(pruned: Pruned, found: nn.Module, dense: Blocks, images: Tensor, relu: bool) -> list[float]:
    """The mean square error of each block's sum, over the channels that stay."""
    assert isinstance(found, Blocks)
    stays = torch.cat([torch.ones(1, dtype=torch.bool), pruned.units_kept])
    result = []
    with torch.no_grad():
        every = zip(found.sums(images), dense.sums(images), ("two", "four"), strict=True)
        for one, two, name in every:
            layer = next(layer for layer in pruned.graph.layers if layer.name == name)
            kept = stays[pruned.graph.outputs_of(layer)]
            one, two = (one.relu(), two.relu()) if relu else (one, two)
            result.append(float((one - two)[:, kept].square().mean()))
    return result


@pytest.mark.parametrize("granularity", [Neuron(), Weight()])
@pytest.mark.parametrize(("later", "affine"), [(True, True), (False, True), (True, False)])
def test_layers_whose_outputs_are_added_make_up_for_one_another(
    later: bool, affine: bool, granularity: Granularity
) -> None:
    dense, _, images = blocks(later, affine)
    pruned = some_removed(later, affine, granularity)
    apart = refitted(pruned, dense, images, 1e-5)
    together = refitted(pruned, dense, images, 1e-5, together=True)
    rounds = refitted(pruned, dense, images, 1e-5, together=True, rounds=10)
    for relu, better, worse in ((False, together, apart), (True, rounds, together)):
        one, two = (errors(pruned, found, dense, images, relu) for found in (better, worse))
        assert sum(one) < (1 if relu else 0.9) * sum(two)


@pytest.mark.parametrize("granularity", [Neuron(), Weight()])
def test_what_was_removed_stays_removed_and_the_smaller_network_is_the_same(granularity: Granularity) -> None:
    dense, _, images = blocks()
    pruned = some_removed(granularity=granularity)
    found = pruned.with_network(refitted(pruned, dense, images, 1e-4, together=True, rounds=2))
    for name, parameter in found.network.named_parameters():
        assert not parameter[~pruned.mask[name]].any() if name in pruned.mask else True
    torch.testing.assert_close(compact(found).network(images), found.network(images), atol=1e-4, rtol=1e-4)


def test_a_channel_that_another_one_repeats_is_replaced_without_loss_through_batch_norm() -> None:
    _, graph, images = blocks()
    dense = Blocks().eval()
    dense.load_state_dict(blocks()[0].state_dict())
    with torch.no_grad():
        for name, value in dense.state_dict().items():
            if name.startswith("one.") or (name.startswith("norm1.") and value.dim()):
                value[3] = value[5]
    kept = everything(graph, Neuron())
    group = next(index for index, each in enumerate(graph.groups) if each.name == "one")
    kept[group][3] = False
    pruned = pruned_by(dense, graph, Neuron(), kept)
    found = refitted(pruned, dense, images, 1e-8, together=True)
    torch.testing.assert_close(found(images), dense(images), atol=2e-3, rtol=1e-3)
    assert not torch.allclose(pruned.network(images), dense(images), atol=5e-2)


@pytest.mark.parametrize("granularity", [Neuron(), Weight()])
def test_nothing_removed_changes_nothing_together_either(granularity: Granularity) -> None:
    dense, graph, images = blocks()
    pruned = pruned_by(dense, graph, granularity, everything(graph, granularity))
    found = refitted(pruned, dense, images, 1e-3, together=True, rounds=2)
    for one, two in zip(dense.state_dict().values(), found.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_batch_norm_has_the_statistics_of_the_refitted_outputs() -> None:
    dense, _, images = blocks()
    pruned = some_removed()
    found = pruned.with_network(refitted(pruned, dense, images, 1e-4, together=True, rounds=2))
    again = reestimated(found, Calibration(images, None, seed=0))
    torch.testing.assert_close(again.network(images), found.network(images), atol=2e-3, rtol=2e-3)


def test_a_scale_of_zero_leaves_the_weights_before_it_as_they_are() -> None:
    dense = Blocks().eval()
    with torch.no_grad():
        dense.norm2.weight[4] = 0
    _, graph, images = blocks()
    kept = everything(graph, Weight())
    kept[1][:, ::2] = False
    pruned = pruned_by(dense, graph, Weight(), kept)
    found = refitted(pruned, dense, images, 1e-3, together=True, rounds=2)
    assert torch.equal(found.get_parameter("two.weight")[4], pruned.network.get_parameter("two.weight")[4])
    assert not torch.equal(found.get_parameter("two.weight")[5], pruned.network.get_parameter("two.weight")[5])
    assert all(bool(value.isfinite().all()) for value in found.state_dict().values())


def test_a_network_that_catches_all_exceptions_is_refitted_too() -> None:
    class Careful(Blocks):
        def forward(self, images: Tensor) -> Tensor:
            try:
                return super().forward(images)
            except Exception:
                return images.new_zeros(len(images), 4)

    pruned = some_removed()
    dense, _, images = blocks()
    careful = Careful().eval()
    careful.load_state_dict(pruned.network.state_dict())
    expected = refitted(pruned, dense, images, 1e-3, together=True)
    found = refitted(pruned.with_network(careful), dense, images, 1e-3, together=True)
    assert torch.equal(found(images), expected(images))
