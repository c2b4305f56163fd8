"""Ranking by sensitivity: convex slopes, order within layers, and layers that matter less lose more."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.small import mlp
from torch import Tensor

from prunelab.choices import GranularityName, PercentageOf, Scope
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.graph.analyse import analyse
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.granularity import Neuron
from prunelab.pruning.prune import check, prune
from prunelab.pruning.sensitivity import LEVELS, by_sensitivity, convex_slopes, sensitivities

IMAGES = Calibration(torch.rand(80, 6, generator=torch.Generator().manual_seed(1)), None, seed=0)
curves = st.lists(st.floats(0, 10), min_size=2, max_size=10).map(lambda v: torch.tensor(v, dtype=torch.float64))


@given(curves)
def test_slopes_are_those_of_the_greatest_convex_function_below_the_curve(curve: Tensor) -> None:
    slopes = convex_slopes(curve)
    below = torch.cat([curve[:1], curve[0] + slopes.cumsum(0)])
    assert bool((slopes[1:] >= slopes[:-1] - 1e-9).all())
    assert bool((below <= curve + 1e-9).all())
    n = len(curve)
    for at in range(n):  # at each point the lowest chord over it, which is what no convex function can exceed
        chords = [
            float(curve[i] + (curve[j] - curve[i]) * (at - i) / (j - i)) if j > i else float(curve[i])
            for i in range(at + 1)
            for j in range(at, n)
        ]
        assert float(below[at]) == pytest.approx(min(chords), abs=1e-6)


def test_a_layer_that_nothing_depends_on_goes_first_and_the_order_within_layers_is_that_of_the_scores() -> None:
    network = mlp(6, 3, [8, 8], seed=2)
    with torch.no_grad():  # the second half of the first layer is never read
        next(p for name, p in network.named_parameters() if p.shape == (8, 8))[:, 4:] = 0
    graph = analyse(network, IMAGES.images)
    scores = [torch.tensor([5.0, 6, 7, 8, 1, 2, 3, 4]), torch.arange(8.0)]
    ranks = by_sensitivity(network, graph, Neuron(), scores, IMAGES, lambda kept: sum(int(each.sum()) for each in kept))
    assert sorted(torch.cat(ranks).tolist()) == list(range(16))
    for rank, score in zip(ranks, scores, strict=True):
        assert torch.equal(rank.argsort(), score.argsort())
    assert set(ranks[0][4:].tolist()) == {0, 1, 2, 3}
    free, costly = sensitivities(network, graph, Neuron(), scores, IMAGES)
    assert float(free[LEVELS // 2]) == pytest.approx(0, abs=1e-12)
    assert float(costly[LEVELS // 2]) > 1e-3


def test_an_infinite_score_keeps_its_unit_and_exactly_the_percentage_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    network = mlp(6, 3, [8, 8], seed=2)
    graph = analyse(network, IMAGES.images)
    score = torch.arange(16.0)
    score[0] = torch.inf
    method = Method(
        name="own", granularity=GranularityName.NEURON, score="own_scores.fixed", scope=Scope.SENSITIVITY, min_keep=0
    )
    module = types.ModuleType("own_scores")
    module.fixed = lambda network, graph, calibration: score  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_scores", module)
    for what in PercentageOf:
        pruned = prune(network, graph, method, 60, IMAGES, what)
        assert bool(pruned.kept[0][0])
        if what is PercentageOf.UNITS:
            assert sum(int((~kept).sum()) for kept in pruned.kept) == 9


def test_n_of_m_is_refused() -> None:
    network = mlp(8, 3, [8, 8], seed=2)
    graph = analyse(network, torch.rand(4, 8))
    method = Method(
        name="own", granularity=GranularityName.N_M, score="magnitude", scope=Scope.SENSITIVITY, min_keep=0, m=4
    )
    with pytest.raises(ConfigError, match="accepts global, global_normalised, layer"):
        check(graph, method, 50, PercentageOf.UNITS)
