"""The report's network, and the choices it makes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rich.console import Console
from tests.small import linear_layers
from torch import nn

from prunelab.compose import compose_job
from prunelab.errors import ConfigError, NetworkError
from prunelab.graph.analyse import analyse
from prunelab.network.build import build
from prunelab.network.mlp import ACTIVATIONS, INITIALISATIONS, MLP
from prunelab.network.summary import summary
from prunelab.pruning.granularity import Neuron, Weight


def report_network() -> nn.Module:
    return build(compose_job([]).model, shape=(1, 28, 28), classes=10, seed=0)


def test_the_default_network_is_the_reports() -> None:
    network = report_network()
    shapes = [(layer.in_features, layer.out_features) for layer in linear_layers(network)]
    assert shapes == [(784, 1000), (1000, 1000), (1000, 500), (500, 200), (200, 10)]
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_386_000
    graph = analyse(network, torch.rand(2, 1, 28, 28))
    assert sum(rows * columns for rows, columns in Weight().shapes(graph)) == 2_384_000
    assert sum(size for (size,) in Neuron().shapes(graph)) == 2_700
    assert all(layer.bias is None for layer in linear_layers(network))


def test_its_weights_are_glorot_uniform() -> None:
    for layer in linear_layers(report_network()):
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert 0.98 * bound < layer.weight.detach().abs().max() <= bound
        assert layer.weight.detach().std() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_the_summary_is_the_reports_figure_3() -> None:
    console = Console(width=80, record=True)
    console.print(summary(analyse(report_network(), torch.rand(2, 1, 28, 28))))
    text = console.export_text()
    for number in ("784,000", "1,000,000", "500,000", "100,000", "2,000", "2,386,000"):
        assert number in text


def test_initialisation_depends_on_the_seed_alone() -> None:
    model = compose_job([]).model
    torch.manual_seed(1)
    one = build(model, (1, 4, 5), 3, seed=5)
    torch.manual_seed(2)
    two, other = build(model, (1, 4, 5), 3, seed=5), build(model, (1, 4, 5), 3, seed=6)
    assert torch.equal(linear_layers(one)[0].weight, linear_layers(two)[0].weight)
    assert not torch.equal(linear_layers(one)[0].weight, linear_layers(other)[0].weight)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_every_choice_gives_a_network_that_computes(activation: str, initialisation: str) -> None:
    network = MLP(6, 3, hidden=[5, 4], bias=True, activation=activation, initialisation=initialisation)
    assert network(torch.rand(2, 1, 2, 3)).shape == (2, 3)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"activation": "swish"}, "model.activation=swish is refused: it accepts relu, leaky_relu"),
        ({"initialisation": "zeros"}, "model.initialisation=zeros is refused: it accepts glorot_uniform"),
        ({"hidden": [5, 0]}, r"model.hidden=\[5, 0\] is refused: it accepts a list of whole numbers"),
        ({"hidden": []}, r"model.hidden=\[\] is refused"),
        ({"bias": "yes"}, "model.bias=yes is refused: it accepts true or false"),
    ],
)
def test_what_does_not_exist_is_refused(changed: dict[str, Any], words: str) -> None:
    choices = {"hidden": [5], "bias": True, "activation": "relu", "initialisation": "torch", **changed}
    with pytest.raises(ConfigError, match=words):
        MLP(6, 3, **choices)


def test_a_chain_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(NetworkError, match="cannot take images of 3"):
        analyse(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)), torch.rand(2, 3))
