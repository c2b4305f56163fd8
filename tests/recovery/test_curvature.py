"""The output factor of K-FAC: the covariance of gradients that torch gives for drawn labels."""

from __future__ import annotations

import torch
from tests.small import Residual, mlp
from torch import Tensor, nn
from torch.nn import functional

from prunelab.graph.analyse import analyse
from prunelab.pruning.calibration import Calibration
from prunelab.recovery.curvature import output_curvatures


class Overwriting(nn.Module):
    """Its ReLU overwrites the layer's output."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(5, 7)
        self.output = nn.Linear(7, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(functional.relu(self.hidden(images), inplace=True))


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_it_is_the_mean_of_the_outer_products_of_gradients_for_labels_of_the_network_itself() -> None:
    torch.manual_seed(0)
    network, images = Overwriting(), drawn(6000, 5)
    with torch.no_grad():
        network.output.weight *= 8  # its predictions are far from uniform
    found = output_curvatures(network, analyse(network, images[:4]), Calibration(images, None, 0))
    with torch.no_grad():
        before = network.hidden(images)
        chances = functional.softmax(network.output(before.relu()), 1)
        wanted = torch.diag_embed(chances) - chances.unsqueeze(2) * chances.unsqueeze(1)  # all labels, by their chances
        back = network.output.weight * (before > 0).unsqueeze(1)
        hidden = (back.mT @ wanted @ back).mean(0)
    for name, expected in {"output.weight": wanted.mean(0), "hidden.weight": hidden}.items():
        assert abs(float(found[name].diagonal().mean()) - 1) < 1e-5
        torch.testing.assert_close(found[name], expected / expected.diagonal().mean(), atol=0.1, rtol=0.1)


def test_a_convolution_has_one_for_its_channels_and_the_network_stays_as_it_is() -> None:
    network, images = Residual(), drawn(20, 4, 6, 6)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = output_curvatures(network, analyse(network.eval(), images[:4]), Calibration(images, None, 0))
    shapes = {"stem": 8, "widen": 12, "narrow": 8, "output": 4}
    assert {name: len(factor) for name, factor in found.items()} == {f"{key}.weight": n for key, n in shapes.items()}
    for factor in found.values():
        assert torch.linalg.eigvalsh(factor.double()).min() > -1e-5
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_layer_that_nothing_depends_on_has_the_identity() -> None:
    network = mlp(6, 3, [4])
    with torch.no_grad():
        list(network.parameters())[-2].zero_()  # the output layer's weight
    found = output_curvatures(network, analyse(network, drawn(4, 6)), Calibration(drawn(30, 6), None, 0))
    first = next(iter(found.values()))
    assert torch.equal(first, torch.eye(4))


def test_frozen_parameters_have_the_same() -> None:
    network, images = mlp(6, 3, [4]), drawn(30, 6)
    graph, given = analyse(network, images[:4]), Calibration(images, None, 0)
    found = output_curvatures(network, graph, given)
    again = output_curvatures(network.requires_grad_(False), graph, given)
    for name, factor in found.items():
        assert torch.equal(again[name], factor)
