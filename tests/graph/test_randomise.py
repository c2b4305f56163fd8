"""What is tried on an untrained network shows, though initialisation would hide it."""

from __future__ import annotations

import torch
from tests.small import Residual
from torch import Tensor, nn

from prunelab.graph.analyse import analyse
from prunelab.graph.randomise import normalise, randomised


class ByItsWidth(nn.Module):
    """It computes something else when it is narrower, which an output layer of zeros hides."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(16, 8), nn.Linear(8, 4)
        nn.init.zeros_(self.output.weight)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.first(images) * self.first.out_features**-0.5)
        return logits


def test_what_depends_on_a_width_is_left_whole_even_behind_an_output_layer_of_zeros() -> None:
    graph = analyse(ByItsWidth(), torch.randn(4, 16))
    assert graph.units == 0
    assert "computes something else" in graph.whole["first"]


def test_parameters_that_are_one_number_throughout_are_drawn_in_a_copy() -> None:
    network = Residual()
    nn.init.ones_(network.norm.weight)
    nn.init.zeros_(network.norm.bias)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = randomised(network)
    shown = dict(copied.named_parameters())
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name])
        if name.startswith("norm."):
            assert len(shown[name].unique()) == 8
        else:
            assert shown[name] is parameter


def test_a_trained_network_is_taken_as_it_is() -> None:
    network = Residual()
    assert randomised(network) is network


def test_through_normalisations_that_have_seen_no_images_the_signal_stays_of_one_size() -> None:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(30)]
    network, images = nn.Sequential(*layers).eval(), torch.rand(4, 8, 6, 6)
    with torch.no_grad():
        before = float((network(images) - network(images * 0.5)).abs().max())
        normalise(network, images)
        after = float((network(images) - network(images * 0.5)).abs().max())
    assert before < 1e-6, "nothing of the images is left"
    assert 0.05 < after < 20
    assert all(len(layer[1].running_mean.unique()) == 8 for layer in layers)  # type: ignore[union-attr]


def test_normalisations_that_have_seen_images_keep_their_statistics() -> None:
    network = Residual().eval()
    before = network.norm.running_var.clone()  # type: ignore[union-attr]
    normalise(network, torch.rand(4, 4, 6, 6))
    assert torch.equal(network.norm.running_var, before)  # type: ignore[arg-type]
