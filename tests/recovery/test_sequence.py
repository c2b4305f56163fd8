"""A list of recoveries is each of them in turn, refused in words where that makes no sense."""

from __future__ import annotations

import pytest
import torch
from tests.conftest import SMALL, Project
from tests.recovery.test_recoveries import job_of, recovered, task
from torch import nn

import prunelab
from prunelab.compose import compose_job
from prunelab.config import Recovery
from prunelab.errors import ConfigError
from prunelab.recovery.recover import recover, recovery_of


def sequence(*changes: str) -> Recovery:
    return compose_job(["recovery=sequence", *changes]).recovery


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("method", ["weight", "neuron_activation"])
def test_least_squares_and_fine_tuning_in_a_list_are_least_squares_finetune_to_the_last_digit(method: str) -> None:
    given = task("least_squares_finetune", method, 70.0, "with biases")
    pruned, expected = recovered(given, "least_squares_finetune", method, "with biases")
    short = job_of("least_squares_finetune", method, "with biases").recovery.options
    changes = [f"recovery.finetune.{key}={short[key]}" for key in ("epochs", "batch_size")]
    listed = sequence("recovery.steps=[least_squares,finetune]", *changes)
    assert equal(recover(pruned, given, listed).network, expected.network)


def test_a_name_may_recur_and_each_goes_on_from_what_is_there() -> None:
    given = task("least_squares", "weight", 70.0, "with biases")
    pruned = given.prune(given.dense, 70.0)
    once = recover(pruned, given, sequence("recovery.steps=[least_squares]"))
    twice = recover(pruned, given, sequence("recovery.steps=[least_squares,least_squares]"))
    least_squares = compose_job(["recovery=least_squares"]).recovery
    assert equal(once.network, recover(pruned, given, least_squares).network)
    assert equal(twice.network, recover(once, given, least_squares).network)
    assert not equal(once.network, twice.network)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["recovery.steps=[least_squares,nonsense]"], "nonsense is none of merge, statistics, least_squares"),
        (["recovery.steps=[]"], "a list of names of recoveries, at least one"),
        (["recovery.steps=[finetune,least_squares]", "recovery.least_squares.steps=4"], "can only be the first"),
        (["recovery.steps=[least_squares,iterative]"], "can only be the first"),
        (["recovery.steps=[least_squares,merge]"], "can only be the first"),
        (["recovery.least_squares.ridge=-1"], "recovery.ridge=-1.* a number above 0"),
    ],
)
def test_what_a_list_cannot_be_is_refused_in_words(changes: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        recovery_of(sequence(*changes))


def test_it_trains_if_one_of_its_steps_does() -> None:
    assert not recovery_of(sequence("recovery.steps=[merge,least_squares]"))[1].trains
    assert recovery_of(sequence("recovery.steps=[merge,finetune]"))[1].trains


def test_the_library_knows_it_too() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    images = torch.randn(60, 6)
    steps = {"steps": ["merge", "least_squares"]}
    result = prunelab.prune(network, images, "neuron_obs", 50, recovery="sequence", recovery_options=steps)
    alone = prunelab.prune(network, images, "neuron_obs", 50)
    dense = network(images)
    assert (result.network(images) - dense).square().mean() < (alone.network(images) - dense).square().mean()


def test_a_job_records_the_list_and_every_key_of_its_steps(project: Project) -> None:
    done = project.prunelab(
        *SMALL, "method=neuron_obs", "percentage=50", "recovery=sequence", "recovery.finetune.epochs=1"
    )
    assert done.status == 0, done.output
    (run,) = project.runs("job")
    assert run.data.params["recovery"] == "sequence"
    assert run.data.params["score"] == "obs"
    assert run.data.metrics["neurons/remaining"] == 72
    recorded = next(path for path in project.artifact(run, ".").rglob("config.yaml")).read_text()
    assert "least_squares" in recorded
    assert "ridge: 0.001" in recorded
