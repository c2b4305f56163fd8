"""Block reconstruction: nearer to the dense network, without labels, and no gradient beyond the borders of a block."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.recovery.tasks import distance, drawn, recovered, task_of
from tests.small import Residual, mlp, mlp_graph
from torch import nn

from prunelab.errors import ConfigError, PrunelabError, TrainingError
from prunelab.graph.analyse import analyse
from prunelab.recovery.reconstruction import _Blocks, error
from prunelab.recovery.recover import Task
from prunelab.recovery.targets import observed

SEQUENCE = (
    *("recovery=sequence", "recovery.steps=[least_squares,reconstruction]"),
    "recovery.reconstruction.iterations=200",
)


def mlp_task(percentage: float = 60.0, method: str = "neuron_activation") -> Task:
    images = drawn(400, 20) @ drawn(20, 20)
    return task_of(mlp(20, 5, [30, 24, 16]), mlp_graph(20, 5, (30, 24, 16)), images, percentage, method)


def residual_task(method: str = "neuron_activation") -> Task:
    network = Residual()
    with torch.no_grad():
        network.output.weight.mul_(100)  # otherwise all predictions are nearly the same
    return task_of(network, analyse(network.eval(), drawn(2, 4, 6, 6)), drawn(90, 4, 6, 6), 50.0, method)


@pytest.mark.parametrize("method", ["neuron_activation", "weight"])
@pytest.mark.parametrize("make", [mlp_task, pytest.param(residual_task, marks=pytest.mark.slow)])
def test_it_is_nearer_to_the_dense_network_than_least_squares_is(make: Callable[..., Task], method: str) -> None:
    task = make(method=method)
    _, fitted = recovered(task, "recovery=least_squares")
    pruned, result = recovered(task, *SEQUENCE)
    assert distance(task, result) < 0.75 * distance(task, fitted)
    parameters = dict(result.network.named_parameters())
    for before, after in zip(pruned.kept, result.kept, strict=True):
        assert torch.equal(before, after)
    for name, mask in pruned.mask.items():
        assert not parameters[name][~mask].any()


def test_what_it_is_given_stays_as_it_was() -> None:
    task = residual_task()
    task.dense.requires_grad_(False)
    before = copy.deepcopy(task.dense.state_dict())
    pruned, result = recovered(task, "recovery=reconstruction", "recovery.iterations=3")
    assert all(torch.equal(value, before[name]) for name, value in task.dense.state_dict().items())
    assert not any(parameter.requires_grad for parameter in result.network.parameters())
    after, statistics = dict(result.network.named_buffers()), dict(pruned.network.named_buffers())
    for name, value in statistics.items():
        assert torch.equal(after[name][value != 0], value[value != 0]), name  # of the channels that stay


def test_the_optimiser_is_part_of_the_configuration() -> None:
    results = {}
    for optimizer in ("adam", "muon"):
        options = ("recovery=reconstruction", "recovery.iterations=2", f"recovery.optimizer={optimizer}")
        _, results[optimizer] = recovered(mlp_task(), *options)
    _, by_default = recovered(mlp_task(), "recovery=reconstruction", "recovery.iterations=2")
    weights = {name: next(result.network.parameters()) for name, result in results.items()}
    assert not torch.equal(weights["adam"], weights["muon"])
    assert torch.equal(weights["muon"], next(by_default.network.parameters()))
    with pytest.raises(ConfigError, match="adam or adamw or sgd or muon"):
        recovered(mlp_task(), "recovery=reconstruction", "recovery.optimizer=lion")


def test_a_network_of_which_nothing_was_removed_is_left_alone() -> None:
    pruned, result = recovered(mlp_task(0.0), "recovery=reconstruction")
    for before, after in zip(pruned.network.parameters(), result.network.parameters(), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("span", [1, 2, 3])
@pytest.mark.parametrize("iteration", [0, 1, 2])
def test_gradients_end_at_the_borders_of_blocks(span: int, iteration: int) -> None:
    task = mlp_task()
    blocks = _Blocks(task.dense, task.graph, torch.ones(task.graph.units, dtype=torch.bool), drawn(1, 20), span)
    cut, ends = blocks.at(iteration)
    weights = [layer.weight for layer in task.graph.layers]
    named = dict(task.dense.named_parameters())
    values, logits = observed(task.dense, task.graph, drawn(8, 20), (0, 8), together=True, cut=cut)
    given = [*(values[each] for each in blocks.fitted), logits]
    for place, value in enumerate(given):
        gradients = torch.autograd.grad(
            value.sum(), [named[name] for name in weights], allow_unused=True, retain_graph=True
        )
        reached = [number for number, gradient in enumerate(gradients) if gradient is not None]
        first = max([number for number in range(place + 1) if (number - iteration) % span == 0], default=0)
        assert reached == list(range(first, place + 1))
        last = place < len(blocks.fitted) and (place + 1 - iteration) % span == 0
        assert last == (place < len(blocks.fitted) and blocks.fitted[place] in ends)


@pytest.mark.parametrize(("span", "same"), [(1, True), (2, False)])
def test_a_layer_of_its_own_block_that_lost_nothing_stays_as_it_was(span: int, same: bool) -> None:
    task = mlp_task(method="weight")
    task = replace(task, graph=task.graph.excluding(["hidden_1"]))
    pruned, result = recovered(task, "recovery=reconstruction", f"recovery.span={span}", "recovery.iterations=5")
    first = task.graph.layers[0].weight
    before, after = (dict(each.network.named_parameters())[first] for each in (pruned, result))
    assert torch.equal(before, after) == same


def test_a_sum_in_a_residual_connection_is_fitted_as_one() -> None:
    task = task_of(Block().eval(), analyse(Block().eval(), drawn(2, 4, 6, 6)), drawn(20, 4, 6, 6), 50.0, "neuron")
    every = _Blocks(task.dense, task.graph, torch.ones(task.graph.units, dtype=torch.bool), drawn(1, 4, 6, 6), 2)
    assert [each.layers for each in every.fitted] == [("first.weight",), ("second.weight", "beside.weight")]
    assert every.last == {"output.weight"}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.beside, self.output = nn.Conv2d(4, 8, 1), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = (self.second(self.first(images).relu()) + self.beside(images)).relu()
        logits: torch.Tensor = self.output(maps.mean((2, 3)))
        return logits


def test_errors_that_a_relu_hides_do_not_count() -> None:
    targets, values = torch.tensor([[2.0], [-1.0], [-1.0]]), torch.tensor([[-1.0], [-5.0], [1.0]])
    assert float(error(values, targets, rectified=True)) == pytest.approx((9 + 0 + 1) / 4)
    assert float(error(values, targets, rectified=False)) == pytest.approx((9 + 16 + 4) / 6)


@pytest.mark.parametrize("option", ["iterations=0", "batch_size=0", "learning_rate=0", "span=0", "labels=1"])
def test_options_out_of_bounds_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=option.split("=")[0]):
        recovered(mlp_task(), "recovery=reconstruction", f"++recovery.{option}")


def test_a_learning_rate_that_is_too_high_is_named() -> None:
    with pytest.raises(TrainingError, match=r"lower recovery\.learning_rate \(now 1e\+30\)"):
        recovered(mlp_task(), "recovery=reconstruction", "recovery.learning_rate=1e30")


def test_a_network_without_logits_is_refused() -> None:
    class Maps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(4, 6, 3), nn.Conv2d(6, 8, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps: torch.Tensor = self.second(self.first(images).relu())
            return maps

    network = Maps().eval()
    task = task_of(network, analyse(network, drawn(2, 4, 6, 6)), drawn(20, 4, 6, 6), 50.0, "neuron")
    with pytest.raises(PrunelabError, match="logits"):
        recovered(task, "recovery=reconstruction")
