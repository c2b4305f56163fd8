"""Every file of conf/recovery, whatever it is called, keeps the promises of a recovery."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from torch import nn

from prunelab.compose import compose_job
from prunelab.config import CONF, Granularity
from prunelab.data.dataset import Dataset
from prunelab.job import dataset_of
from prunelab.network.layers import linear_layers
from prunelab.pruning.calibration import calibration
from prunelab.pruning.prune import prune
from prunelab.recovery.recover import Task, recover, recovery_of

RECOVERIES = sorted(file.stem for file in (CONF / "recovery").glob("*.yaml"))
PERCENTAGES = (0.0, 70.0, 100.0)


def task(recovery: str, method: str, percentage: float, bias: bool) -> Task:
    """Digits, a small network that has not been trained (recoveries do not care), one epoch where one trains."""
    short = ["recovery.epochs=1"] if hasattr(options_of(recovery), "epochs") else []
    job = compose_job(
        [
            *("data=digits", "model=mlp_small", f"model.bias={bias}", f"recovery={recovery}", *short),
            *(f"method={method}", f"percentage={percentage}", "calibration.images=500", "trainer.progress=false"),
        ]
    )
    dataset: Dataset = dataset_of(job.data)
    dense = Task(job, dataset, calibration(dataset.train, 500, 0), nn.Identity()).untrained()
    torch.manual_seed(3)
    for layer in linear_layers(dense):
        if layer.bias is not None:
            nn.init.normal_(layer.bias, std=0.1)
    return Task(job, dataset, calibration(dataset.train, 500, 0), dense)


def options_of(recovery: str) -> object:
    return recovery_of(compose_job([f"recovery={recovery}"]).recovery)[1]


@pytest.mark.parametrize("bias", [False, True], ids=["without biases", "with biases"])
@pytest.mark.parametrize(("recovery", "method"), list(product(RECOVERIES, ["weight", "neuron_activation"])))
def test_what_was_removed_stays_removed_and_the_dense_network_untouched(recovery: str, method: str, bias: bool) -> None:
    for percentage in PERCENTAGES:
        given = task(recovery, method, percentage, bias)
        before = copy.deepcopy(given.dense.state_dict())
        pruned = prune(given.dense, given.job.method, percentage, given.calibration)
        recovered = recover(pruned, given)
        count = sum(int((~kept).sum()) for kept in recovered.kept)
        assert count == sum(int((~kept).sum()) for kept in pruned.kept)
        for layer, mask in zip(linear_layers(recovered.network), recovered.masks, strict=True):
            assert not layer.weight[~mask.weight].any()
            assert torch.isfinite(layer.weight).all()
            if layer.bias is not None:
                assert not layer.bias[~mask.bias].any()
        for name, value in given.dense.state_dict().items():
            assert torch.equal(value, before[name])


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_the_same_twice_is_the_same(recovery: str) -> None:
    networks = []
    for _ in range(2):
        given = task(recovery, "weight", 70.0, bias=True)
        networks.append(recover(prune(given.dense, given.job.method, 70.0, given.calibration), given).network)
    for one, two in zip(networks[0].state_dict().values(), networks[1].state_dict().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("recovery", RECOVERIES)
def test_a_recovery_looks_at_no_validation_or_test_image_but_to_choose_its_epoch(recovery: str) -> None:
    """Other validation labels may choose another epoch; with one epoch there is no choice, and nothing may change."""
    given = task(recovery, "neuron_activation", 50.0, bias=False)
    swapped = given.dataset.validation.labels.flip(0)
    other = copy.copy(given.dataset)
    object.__setattr__(other, "validation", type(given.dataset.validation)(given.dataset.validation.images, swapped))
    object.__setattr__(other, "test", given.dataset.validation)
    results = []
    for dataset in (given.dataset, other):
        again = Task(given.job, dataset, given.calibration, given.dense)
        pruned = prune(again.dense, again.job.method, 50.0, again.calibration)
        results.append(recover(pruned, again).network.state_dict())
    for name in results[0]:
        assert torch.equal(results[0][name], results[1][name])


def test_which_recoveries_train_is_known() -> None:
    trains = {recovery: options_of(recovery).trains for recovery in RECOVERIES}  # type: ignore[attr-defined]
    assert not trains["none"]
    assert not trains["least_squares"]
    assert all(trains[name] for name in ("finetune", "least_squares_finetune", "iterative", "rewind"))


def test_neurons_are_the_granularity_that_compacts() -> None:
    given = task("finetune", "neuron_activation", 70.0, bias=True)
    pruned = prune(given.dense, given.job.method, 70.0, given.calibration)
    assert pruned.granularity is Granularity.NEURON
    recovered = recover(pruned, given)
    changed = [
        not torch.equal(a.weight, b.weight)
        for a, b in zip(linear_layers(pruned.network), linear_layers(recovered.network), strict=True)
    ]
    assert all(changed)
