"""What a criterion of one's own may give, and how anything else is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from tests.small import mlp, mlp_graph

from prunelab.choices import GranularityName, Scope
from prunelab.config import Method
from prunelab.errors import ConfigError
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.prune import prune

SOURCE = """
import torch

def short(network, graph, calibration):
    return torch.zeros(graph.units - 1)

def long(network, graph, calibration):
    return torch.zeros(graph.units + 1)

def numbers(network, graph, calibration):
    return [0.0] * graph.units

def turned(network, graph, calibration):
    parameters = dict(network.named_parameters())
    return {layer.weight: parameters[layer.weight].detach().t() for layer in graph.prunable}

def partial(network, graph, calibration):
    parameters = dict(network.named_parameters())
    return {layer.weight: parameters[layer.weight].detach() for layer in graph.prunable[1:]}

def writing(network, graph, calibration):
    next(network.parameters()).data.mul_(0)
    return torch.rand(graph.units)
"""


@pytest.mark.parametrize(
    ("criterion", "granularity", "words"),
    [
        ("short", "neuron", r"a tensor \[9\] for neurons.*layer hidden_2 has \[4\] units, their scores are \[3\]"),
        ("long", "neuron", r"it gives a tensor \[10\]"),
        ("numbers", "neuron", "a tensor"),
        ("turned", "weight", r"layer hidden_1 has \[5, 6\] units, their scores are \[6, 5\]"),
        ("short", "weight", "a dict of tensors by the names of the weights"),
        ("partial", "weight", r"'hidden_1\.weight' is missing"),
        ("writing", "neuron", r"changed hidden_1\.weight of the network; a criterion must leave the network as it is"),
    ],
)
def test_a_criterion_that_gives_something_else_or_changes_the_network_is_refused_in_words(
    criterion: str, granularity: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_scores.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    method = Method(
        name="own",
        granularity=GranularityName(granularity),
        score=f"own_scores.{criterion}",
        scope=Scope.GLOBAL,
        min_keep=0,
    )
    network, graph = mlp(6, 3, (5, 4)), mlp_graph(6, 3, (5, 4))
    calibration = Calibration(torch.rand(8, 6), torch.zeros(8, dtype=torch.int64), 0)
    try:
        with pytest.raises(ConfigError, match=words):
            prune(network, graph, method, 50, calibration)
    finally:
        sys.modules.pop("own_scores", None)
