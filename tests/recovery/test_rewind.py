"""Rewinding goes back to where the dense network's own training was, and the schedules reach zero when they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.recovery.test_recoveries import dataset, job_of, task
from torch import nn

from prunelab.choices import Schedule
from prunelab.errors import ConfigError
from prunelab.recovery import rewind
from prunelab.recovery.recover import Task, recovery_of
from prunelab.training.classifier import rex
from prunelab.training.fit import fit

BATCHES = 4
"""An epoch of the 240 images in batches of 60."""


def given(schedule: str = "constant") -> Task:
    """A task whose dense network was trained for three epochs."""
    found = task("rewind", "neuron_activation", 50.0, "with biases")
    assert found.learning is not None
    training = found.learning.training.model_copy(update={"epochs": 3, "schedule": Schedule(schedule)})
    return replace(found, learning=replace(found.learning, training=training))


def options(**changes: object) -> rewind.Options:
    found = recovery_of(job_of("rewind", "neuron_activation", "with biases").recovery)[1]
    assert isinstance(found, rewind.Options)
    return found.model_copy(update=changes)


@pytest.mark.parametrize("epochs", [1, 2])
def test_the_weights_at_a_step_are_those_that_the_training_had_there(epochs: int, tmp_path: Path) -> None:
    there = given()
    assert there.learning is not None
    network, expected = there.learning.untrained(), there.learning.untrained()
    rewind._train_to(network, epochs * BATCHES, there, there.learning)
    until: list[dict[str, torch.Tensor]] = []
    short = there.learning.training.model_copy(update={"epochs": epochs})

    class Last(rewind._Until):
        def on_train_epoch_end(self, trainer: object, module: object) -> None:
            until.append({name: value.clone() for name, value in expected.state_dict().items()})

    fit(expected, dataset(), short, there.learning.trainer, there.seed, tmp_path, callbacks=[Last(1)])
    assert len(until) == epochs
    for name, value in network.state_dict().items():
        assert torch.equal(value, until[-1][name])


def test_rewinding_the_rate_keeps_the_trained_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    there = given("linear")
    began: dict[str, tuple[nn.Module, float]] = {}

    def note(pruned: object, task: Task, chosen: rewind.Options) -> object:
        began[chosen.rewinds.value] = (pruned.network, chosen.learning_rate)  # type: ignore[attr-defined]
        return pruned

    monkeypatch.setattr(rewind.finetune, "recover", note)
    pruned = there.prune(there.dense, 50.0)
    for rewinds in rewind.Rewinds:
        chosen = options(rewinds=rewinds, to_step=BATCHES, schedule="linear", learning_rate=0.3)
        rewind.recover(pruned, there, rewind.Options.model_validate(chosen.model_dump()))
    assert began["rate"][1] == began["weights"][1] == pytest.approx(0.2), "a third of the training was done"
    same = [
        torch.equal(one, other)
        for one, other in zip(began["rate"][0].parameters(), pruned.network.parameters(), strict=True)
    ]
    assert all(same)
    assert not torch.equal(next(began["weights"][0].parameters()), next(pruned.network.parameters()))


def test_a_step_that_the_training_did_not_reach_is_refused() -> None:
    there = given()
    with pytest.raises(ConfigError, match=r"recovery\.to_step=12 is refused: the training has 12 steps"):
        rewind.recover(there.prune(there.dense, 50.0), there, options(to_step=12))


def test_a_network_that_was_taken_as_it_is_has_no_earlier_weights() -> None:
    there = given()
    assert there.learning is not None
    training = there.learning.training.model_copy(update={"epochs": 0})
    taken = replace(there, learning=replace(there.learning, training=training))
    with pytest.raises(ConfigError, match=r"recovery=rewind is refused with training\.epochs=0"):
        rewind.recover(taken.prune(taken.dense, 50.0), taken, options())


def test_rex_falls_slowly_first_and_ends_at_zero() -> None:
    assert rex(0) == 1
    assert rex(0.5) == pytest.approx(2 / 3)
    assert rex(1) == 0
