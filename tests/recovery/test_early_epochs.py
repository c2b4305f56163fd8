"""`recovery.early_epochs`: epochs of least_squares_finetune that come before the last pruning step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pytorch_lightning.callbacks import Callback
from tests.recovery.test_recoveries import task
from torch import nn

from prunelab.compose import compose_job
from prunelab.config import Recovery
from prunelab.errors import ConfigError
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune, least_squares
from prunelab.recovery.recover import Task, recover, recovery_of

Trained = list[tuple[int, int]]
"""Of each training: its epochs, and how many of the network's weights were not zero at its beginning."""


def recovery(*changes: str) -> Recovery:
    return compose_job(["recovery=least_squares_finetune", "recovery.epochs=3", *changes]).recovery


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    seen: Trained = []

    def train(network: nn.Module, task: Task, options: finetune.Options, callbacks: Sequence[Callback] = ()) -> None:
        weights = (parameter for parameter in network.parameters() if parameter.dim() > 1)
        seen.append((options.epochs, sum(int(weight.count_nonzero()) for weight in weights)))

    monkeypatch.setattr(finetune, "train", train)
    return seen


def result(given: Task, *changes: str) -> Pruned:
    return recover(given.prune(given.dense, given.percentage), given, recovery(*changes))


@pytest.mark.parametrize("method", ["weight", "neuron_activation"])
def test_they_train_a_network_with_more_weights_than_the_epochs_that_follow(method: str, trained: Trained) -> None:
    given = task("least_squares_finetune", method, 70.0, "with biases")
    pruned = result(given, "recovery.steps=4", "recovery.early_epochs=1")
    (early, before), (late, after) = trained
    assert (early, late) == (1, 2)
    assert before > after
    assert sum(int((~kept).sum()) for kept in pruned.kept) == sum(
        int((~kept).sum()) for kept in given.prune(given.dense, 70.0).kept
    )


@pytest.mark.parametrize("early", [0, 1])
def test_the_rounds_of_rectify_follow_the_last_step_alone(
    early: int, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, refit = [], least_squares.refit

    def watched(*given: Any) -> Pruned:
        rounds.append(given[-1])
        return refit(*given)

    monkeypatch.setattr(least_squares, "refit", watched)
    given = task("least_squares_finetune", "weight", 70.0, "with biases")
    result(given, "recovery.steps=4", f"recovery.early_epochs={early}", "recovery.rectify=2")
    assert rounds == [0, 0, 0, 2]


def test_an_unpruned_network_has_all_its_epochs_at_once(trained: Trained) -> None:
    given = replace(task("least_squares_finetune", "weight", 70.0, "with biases"), percentage=0.0)
    result(given, "recovery.steps=4", "recovery.early_epochs=1")
    assert [epochs for epochs, _ in trained] == [3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("recovery.steps=4", "recovery.early_epochs=3"), "some of the 3 epochs have to follow the last pruning step"),
        (("recovery.early_epochs=1",), "several pruning steps, for instance recovery.steps=4"),
        (("recovery.steps=4", "recovery.early_epochs=-1"), "a whole number, at least 0"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        recovery_of(recovery(*changes))
    assert str(refused.value).startswith("recovery.early_epochs=")
