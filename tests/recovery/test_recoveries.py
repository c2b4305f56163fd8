"""Every file of conf/recovery, whatever it is called, keeps the promises of a recovery."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
import torch
from tests.conftest import quick
from tests.recovery.twice import Twice
from tests.small import randomise
from torch import nn

import prunelab
from prunelab.compose import compose_job
from prunelab.config import Job
from prunelab.data.dataset import Dataset, Split, dataset_of
from prunelab.errors import PrunelabError
from prunelab.graph.graph import Graph
from prunelab.job import check
from prunelab.network.subject import graph_of, untrained
from prunelab.pruning.calibration import calibration
from prunelab.pruning.prune import Pruned
from prunelab.reading import CONF
from prunelab.recovery import sequence
from prunelab.recovery.recover import Learning, Options, Task, recover, recovery_of

RECOVERIES = sorted(file.stem for file in (CONF / "recovery").glob("*.yaml"))
PERCENTAGES = (0.0, 70.0, 100.0)
IMAGES = 240
SHORT = {"epochs": 1, "iterations": 20}
OF_MLP = ("hidden", "bias", "activation", "initialisation")
MODELS = {
    "without biases": ("model=mlp_small", "model.bias=false"),
    "with biases": ("model=mlp_small", "model.bias=true"),
    "residual": ("model=resnet8", "model.widths=[6,8,8]"),
}


@cache
def dataset() -> Dataset:
    """Some of the digits: recoveries that train do so for one epoch, or 20 iterations."""
    whole = dataset_of(compose_job(["data=digits"]).data)
    splits = (Split(split.take(IMAGES), split.labels[:IMAGES]) for split in (whole.train, whole.validation, whole.test))
    train, validation, test = splits
    return replace(whole, train=train, validation=validation, test=test)


@cache
def job_of(recovery: str, method: str, model: str) -> Job:
    options = options_of(recovery)
    parts = {"": options}
    if isinstance(options, sequence.Options):
        parts = {f"{step}.": options_of(step) for step in options.steps}
    short = [
        f"recovery.{prefix}{key}={value}"
        for prefix, part in parts.items()
        for key, value in SHORT.items()
        if hasattr(part, key)
    ]
    quick = ("calibration.images=200", "trainer.progress=false", "training.batch_size=60")
    return compose_job(["data=digits", *MODELS[model], f"recovery={recovery}", f"method={method}", *short, *quick])


def options_of(recovery: str) -> Options:
    return recovery_of(compose_job([f"recovery={recovery}"]).recovery)[1]


def task(recovery: str, method: str, percentage: float, model: str, given: Dataset | None = None) -> Task:
    """A network that has not been trained (recoveries do not care), with biases and statistics of its own."""
    job, given = job_of(recovery, method, model), given or dataset()
    dense = untrained(job.model, given, 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        randomise(dense)
    learning = Learning(given, job.training, job.trainer, lambda: untrained(job.model, given, 0))
    graph: Graph = graph_of(job.model, given)
    images = calibration(given.train, 200, 0)
    return Task(dense.eval(), graph, images, job.method, percentage, job.percentage_of, 0, learning)


def recovered(given: Task, recovery: str, method: str, model: str) -> tuple[Pruned, Pruned]:
    """What a network is before its recovery, and after."""
    pruned = given.prune(given.dense, given.percentage)
    return pruned, recover(pruned, given, job_of(recovery, method, model).recovery)


@pytest.mark.parametrize("model", quick(MODELS, "with biases"))
@pytest.mark.parametrize(("recovery", "method"), list(product(RECOVERIES, ["weight", "neuron_activation"])))
def test_what_was_removed_stays_removed_and_the_dense_network_untouched(recovery: str, method: str, model: str) -> None:
    for percentage in PERCENTAGES:
        given = task(recovery, method, percentage, model)
        before = copy.deepcopy(given.dense.state_dict())
        pruned, result = recovered(given, recovery, method, model)
        count = sum(int((~kept).sum()) for kept in result.kept)
        assert count == sum(int((~kept).sum()) for kept in pruned.kept)
        parameters = dict(result.network.named_parameters())
        for name, mask in result.mask.items():
            assert not parameters[name][~mask].any()
        for name, value in result.network.state_dict().items():
            assert torch.isfinite(value).all(), name
        for name, value in given.dense.state_dict().items():
            assert torch.equal(value, before[name])


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_the_same_twice_is_the_same(recovery: str) -> None:
    networks: list[nn.Module] = []
    for _ in range(2):
        given = task(recovery, "weight", 70.0, "residual")
        networks.append(recovered(given, recovery, "weight", "residual")[1].network)
    for one, two in zip(networks[0].state_dict().values(), networks[1].state_dict().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_a_recovery_looks_at_no_validation_or_test_image_but_to_choose_its_epoch(recovery: str) -> None:
    """Other validation labels may choose another epoch; with one epoch there is no choice, and nothing may change."""
    swapped = Split(dataset().validation.images, dataset().validation.labels.flip(0))
    other = replace(dataset(), validation=swapped, test=dataset().validation)
    results = []
    for data in (dataset(), other):
        given = task(recovery, "neuron_activation", 50.0, "without biases", data)
        results.append(recovered(given, recovery, "neuron_activation", "without biases")[1].network.state_dict())
    for name in results[0]:
        assert torch.equal(results[0][name], results[1][name])


def test_which_recoveries_train_is_known() -> None:
    trains = {recovery: options_of(recovery).trains for recovery in RECOVERIES}
    assert not any(trains[name] for name in ("none", "batch_norm", "least_squares"))
    assert all(trains[name] for name in ("finetune", "least_squares_finetune", "iterative", "rewind"))


@pytest.mark.parametrize("recovery", [name for name in RECOVERIES if options_of(name).trains])
def test_batch_norm_learns_its_statistics_in_training_as_before_pruning(recovery: str) -> None:
    given = task(recovery, "neuron_activation", 50.0, "residual")
    pruned, result = recovered(given, recovery, "neuron_activation", "residual")
    assert given.learning is not None
    begins = given.learning.untrained() if recovery == "rewind" else pruned.network
    before, after = begins.state_dict(), result.network.state_dict()
    stays = after["norm1.weight"] != 0
    for statistic in ("running_mean", "running_var"):
        assert not torch.isclose(before[f"norm1.{statistic}"], after[f"norm1.{statistic}"])[stays].any()
    assert not any(module.training for module in result.network.modules())


@pytest.mark.parametrize("model", ["with biases", "residual"])
def test_every_layer_takes_part_in_fine_tuning_a_network_without_its_neurons(model: str) -> None:
    given = task("finetune", "neuron_activation", 70.0, model)
    pruned, result = recovered(given, "finetune", "neuron_activation", model)
    assert not pruned.granularity.sparse
    before = dict(pruned.network.named_parameters())
    for name, after in result.network.named_parameters():
        assert not torch.equal(before[name], after), name


def test_batch_norm_gives_each_layer_the_statistics_of_what_it_is_given_then() -> None:
    given = task("batch_norm", "neuron_activation", 50.0, "residual")
    _, result = recovered(given, "batch_norm", "neuron_activation", "residual")
    for name, module in result.network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            seen: list[torch.Tensor] = []
            hook = module.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
            with torch.no_grad():
                result.network.eval()(given.calibration.images)
            hook.remove()
            rows = seen[0].movedim(1, -1).flatten(0, -2)
            torch.testing.assert_close(module.running_mean, rows.mean(0), msg=name)
            torch.testing.assert_close(module.running_var, rows.var(0), msg=name)


def test_a_batch_norm_that_is_called_twice_is_not_reestimated_to_one_of_its_inputs() -> None:
    with pytest.raises(PrunelabError, match="norm is called several times"):
        prunelab.prune(Twice(), torch.rand(20, 64), percentage=25, recovery="batch_norm")


@pytest.mark.parametrize("changes", [["recovery=batch_norm"], ["recovery=sequence", "recovery.steps=[statistics]"]])
def test_it_is_refused_before_anything_is_trained(changes: list[str]) -> None:
    own = ["model=mlp_small", "model.network=tests.recovery.twice.Twice", *(f"~model.{key}" for key in OF_MLP)]
    with pytest.raises(PrunelabError, match="norm is called several times"):
        check(compose_job(["data=digits", *own, *changes]))
