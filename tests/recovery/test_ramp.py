"""`recovery.ramp`: the last pruning step of least_squares_finetune, spread over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import Callback
from tests.recovery.test_recoveries import task
from torch import nn

from prunelab.compose import compose_job
from prunelab.errors import ConfigError
from prunelab.graph.graph import Graph
from prunelab.job import check
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.prune import Pruned
from prunelab.pruning.selection import largest
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task, recover, recovery_of
from prunelab.training.masked import RAMP_STEPS

STEPS = ("recovery.steps=3", "recovery.epochs=3", "recovery.batch_size=30")  # 8 batches an epoch


def result(given: Task, recovery: str, *changes: str) -> Pruned:
    chosen = compose_job(["data=digits", f"recovery={recovery}", *changes]).recovery
    return recover(given.prune(given.dense, given.percentage), given, chosen)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The weights that are not zero after each batch, in the trainings of the test."""
    seen: list[int] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
            hidden = list(module.network.parameters())[:-2]
            seen.append(sum(int(weight.count_nonzero()) for weight in hidden if weight.dim() > 1))

    train = finetune.train

    def watched(network: nn.Module, task: Task, options: Any, callbacks: Sequence[Callback] = ()) -> None:
        train(network, task, options, [*callbacks, Watch()])

    monkeypatch.setattr(finetune, "train", watched)
    return seen


def test_weights_go_little_by_little_and_as_many_as_asked_for_in_the_end(left: list[int]) -> None:
    given = task("least_squares_finetune", "weight", 90.0, "with biases")
    pruned = result(given, "least_squares_finetune", *STEPS, "recovery.ramp=0.7")
    at_once = given.prune(given.dense, 90.0)
    wanted = sum(int(kept.sum()) for kept in at_once.kept)
    assert sum(int(kept.sum()) for kept in pruned.kept) == wanted
    assert sum(int(pruned.mask[layer.weight].sum()) for layer in pruned.graph.prunable) == wanted
    weights = dict(pruned.network.named_parameters())
    assert all(not weights[name][~mask].any() for name, mask in pruned.mask.items())
    assert left == sorted(left, reverse=True)
    assert len(set(left)) > 8
    assert min(left) == left[-1] <= wanted < left[0]
    assert left.index(left[-1]) <= 0.7 * len(left)


def test_the_method_decides_how_many_weights_of_each_layer_stay() -> None:
    given = task("least_squares_finetune", "weight", 90.0, "with biases")
    pruned = result(given, "least_squares_finetune", *STEPS, "recovery.ramp=0.5")
    options = recovery_of(compose_job(["recovery=least_squares_finetune", *STEPS]).recovery)[1]
    early = least_squares.in_steps(given.dense, options.percentages(90.0)[:-1], given, options)  # type: ignore[arg-type]
    expected = given.prune(early.network, 90.0)
    assert [int(kept.sum()) for kept in pruned.kept] == [int(kept.sum()) for kept in expected.kept]


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize(
    ("recovery", "changes"), [("least_squares_finetune", ("recovery.steps=3",)), ("iterative", ())]
)
def test_a_training_of_few_batches_reaches_the_percentage_too(
    recovery: str, changes: tuple[str, ...], batches: int
) -> None:
    given = task(recovery, "weight", 90.0, "with biases")
    short = ("recovery.epochs=1", f"recovery.batch_size={240 // batches}", "recovery.ramp=1.0")
    pruned = result(given, recovery, *changes, *short)
    wanted = [int(kept.sum()) for kept in given.prune(given.dense, 90.0).kept]
    assert sum(int(kept.sum()) for kept in pruned.kept) == sum(wanted)
    hidden = [dict(pruned.network.named_parameters())[layer.weight] for layer in pruned.graph.prunable]
    assert sum(int(weight.count_nonzero()) for weight in hidden) <= sum(wanted)


def fickle(network: nn.Module, graph: Graph, calibration: Calibration) -> dict[str, torch.Tensor]:
    """A criterion that prefers the last layers, and the first ones in a network that is pruned already."""
    weights = dict(network.named_parameters())
    sign = -1.0 if any(bool((weights[layer.weight] == 0).any()) for layer in graph.prunable) else 1.0
    return {
        layer.weight: torch.full_like(weights[layer.weight], sign * number)
        for number, layer in enumerate(graph.prunable)
    }


def test_a_criterion_that_keeps_removed_weights_leaves_as_many_as_asked_for() -> None:
    given = task("least_squares_finetune", "weight", 90.0, "with biases")
    given = replace(given, method=given.method.model_copy(update={"score": f"{__name__}.fickle"}))
    pruned = result(given, "least_squares_finetune", *STEPS, "recovery.steps=2", "recovery.ramp=0.5")
    wanted = sum(int(kept.sum()) for kept in given.prune(given.dense, 90.0).kept)
    assert sum(int(kept.sum()) for kept in pruned.kept) == wanted


def test_an_unpruned_network_has_no_ramp() -> None:
    given = replace(task("least_squares_finetune", "weight", 70.0, "with biases"), percentage=0.0)
    pruned = result(given, "least_squares_finetune", *STEPS, "recovery.ramp=0.5")
    assert all(bool(kept.all()) for kept in pruned.kept)


def test_the_largest_of_those_that_are_left() -> None:
    weight = torch.tensor([[0.5, -3.0, 2.0], [2.0, -0.1, 9.0]])
    among = torch.tensor([[True, True, True], [True, True, False]])
    assert largest(weight, among, 2).tolist() == [
        [False, True, True],
        [False, False, False],
    ]  # of equal ones, the first
    assert largest(weight, among, 0).sum() == 0
    assert torch.equal(largest(weight, among, 5), among)
    assert RAMP_STEPS > 1


@pytest.mark.parametrize("early", ["recovery.early_epochs=1", "recovery.rectify=2", "recovery.steps=1"])
def test_what_a_ramp_does_not_go_with_is_refused(early: str) -> None:
    chosen = compose_job(["recovery=least_squares_finetune", "recovery.steps=4", "recovery.ramp=0.5", early]).recovery
    with pytest.raises(ConfigError, match=r"recovery\.ramp=0\.5 needs several pruning steps"):
        recovery_of(chosen)


@pytest.mark.parametrize("method", ["neuron_activation", "weight_n_m", "weight_block"])
@pytest.mark.parametrize("within", ["alone", "in a list"])
def test_other_granularities_are_refused_before_any_training(method: str, within: str) -> None:
    alone = ("recovery=least_squares_finetune", "recovery.steps=4", "recovery.ramp=0.5")
    listed = ("+recovery@recovery.both=least_squares_finetune", "recovery.both.steps=4", "recovery.both.ramp=0.5")
    listed = ("recovery=sequence", *listed, "recovery.steps=[both]")
    job = compose_job(["data=digits", f"method={method}", *(alone if within == "alone" else listed)])
    with pytest.raises(ConfigError, match="it removes single weights"):
        check(job)
