"""A ranking is computed once for all percentages of a sweep, and only where it is the same."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prunelab import job
from prunelab.pruning.ranking import ranking
from tests.conftest import SMALL, Project, computed, quick
from tests.recovery.tasks import drawn, task_of
from tests.small import mlp, mlp_graph


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method of every ranking that is computed."""
    methods: list[str] = []

    def counted(network: object, graph: object, method: object, *others: object) -> list[Tensor]:
        methods.append(method.name)  # type: ignore[attr-defined]
        return ranking(network, graph, method, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "ranking", counted)
    monkeypatch.setattr(job, "_known", {})
    return methods


def test_the_percentages_of_a_sweep_share_one_ranking(project: Project, calls: list[str]) -> None:
    done = project.prunelab(*SMALL, "-m", "method=neuron_activation,neuron_layer", "percentage=20,50,80", "seed=0,1")
    assert done.status == 0, done.output
    assert sorted(calls) == ["neuron_activation"] * 2 + ["neuron_layer"] * 2


def test_a_job_of_a_sweep_has_the_numbers_that_it_has_alone(project: Project, calls: list[str]) -> None:
    chosen = (*SMALL, "method=weight_obs", "recovery=least_squares", "recovery.steps=2")
    assert project.prunelab(*chosen, "-m", "percentage=20,80").status == 0
    job._known.clear()
    assert project.prunelab(*chosen, "percentage=80").status == 0
    assert calls == ["weight_obs"] * 2
    _, in_sweep, alone = project.runs("job")
    assert computed(in_sweep) == computed(alone)


@pytest.mark.parametrize(
    "change",
    quick(
        ["calibration.images=500", "percentage_of=parameters", "method.scope=layer", "method.exclude=[hidden_1]"],
        "calibration.images=500",
    ),
)
def test_what_a_ranking_depends_on_makes_another_one(project: Project, calls: list[str], change: str) -> None:
    for changes in ([], [change], []):
        assert project.prunelab(*SMALL, "method=neuron_sensitivity", "percentage=50", *changes).status == 0
    assert calls == ["neuron_sensitivity"] * 2


@pytest.mark.slow
def test_scores_do_not_fill_the_memory(project: Project, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "MEMORY_OF_SCORES", 1)
    for method in ("neuron_activation", "neuron", "neuron_activation", "neuron_activation"):
        assert project.prunelab(*SMALL, f"method={method}", "percentage=50").status == 0
        assert len(job._known) == 1
    assert calls == ["neuron_activation", "neuron", "neuron_activation"]


def test_a_recovery_uses_the_known_scores_for_the_dense_network_alone() -> None:
    task = task_of(mlp(20, 5, [30, 24]), mlp_graph(20, 5, (30, 24)), drawn(50, 20), 50.0, "neuron")
    known = replace(task, scores=[torch.arange(30.0), torch.arange(30.0, 54.0)])
    first, second = known.prune(task.dense, 50).kept
    assert first.tolist() == [False] * 27 + [True] * 3
    assert second.all()
    other = copy.deepcopy(task.dense)
    for kept, usual in zip(known.prune(other, 50).kept, task.prune(other, 50).kept, strict=True):
        assert torch.equal(kept, usual)
