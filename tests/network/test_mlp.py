"""The report's network, and the choices it makes."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console
from torch import nn

from prunelab.compose import compose_job
from prunelab.errors import ConfigError
from prunelab.network.build import build
from prunelab.network.layers import hidden_layers, linear_layers
from prunelab.network.mlp import ACTIVATIONS, INITIALISATIONS, MLP
from prunelab.network.summary import summary


def report_network() -> nn.Module:
    return build(compose_job([]).model, features=784, classes=10, seed=0)


def test_the_default_network_is_the_reports() -> None:
    network = report_network()
    shapes = [(layer.in_features, layer.out_features) for layer in linear_layers(network)]
    assert shapes == [(784, 1000), (1000, 1000), (1000, 500), (500, 200), (200, 10)]
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_386_000
    assert sum(layer.weight.numel() for layer in hidden_layers(network)) == 2_384_000
    assert sum(layer.out_features for layer in hidden_layers(network)) == 2_700
    assert all(layer.bias is None for layer in linear_layers(network))


def test_its_weights_are_glorot_uniform() -> None:
    for layer in linear_layers(report_network()):
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert 0.98 * bound < layer.weight.detach().abs().max() <= bound
        assert layer.weight.detach().std() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_the_summary_is_the_reports_figure_3() -> None:
    console = Console(width=80, record=True)
    console.print(summary(report_network()))
    text = console.export_text()
    for number in ("784,000", "1,000,000", "500,000", "100,000", "2,000", "2,386,000"):
        assert number in text


def test_initialisation_depends_on_the_seed_alone() -> None:
    model = compose_job([]).model
    torch.manual_seed(1)
    one = build(model, 20, 3, seed=5)
    torch.manual_seed(2)
    two, other = build(model, 20, 3, seed=5), build(model, 20, 3, seed=6)
    assert torch.equal(linear_layers(one)[0].weight, linear_layers(two)[0].weight)
    assert not torch.equal(linear_layers(one)[0].weight, linear_layers(other)[0].weight)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_every_choice_gives_a_network_that_computes(activation: str, initialisation: str) -> None:
    network = MLP(6, 3, hidden=[5, 4], bias=True, activation=activation, initialisation=initialisation)
    assert network(torch.rand(2, 6)).shape == (2, 3)


def test_a_network_that_is_no_chain_is_refused() -> None:
    with pytest.raises(ConfigError, match="chains"):
        linear_layers(nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)))
    with pytest.raises(ConfigError, match="nothing to prune"):
        linear_layers(nn.Sequential(nn.Linear(3, 4)))
