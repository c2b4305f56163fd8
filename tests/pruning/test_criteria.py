"""Each criterion on a network of three neurons, computed by hand."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.errors import PrunelabError
from prunelab.graph.analyse import analyse
from prunelab.graph.graph import Graph
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.criteria import neuron, weight

# Two images; the hidden activations are relu(W x).
IMAGES = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
CALIBRATION = Calibration(IMAGES, torch.tensor([0, 1]), seed=7)


def three_neurons() -> nn.Sequential:
    """Two inputs, three hidden neurons, two outputs.

    Pre-activations: image 1 (3, 1, -2), image 2 (-8, 0, 4). Activations: (3, 1, 0) and (0, 0, 4).
    Logits: image 1 (3 - 2, 1) = (1, 1); image 2 (0, 20).
    """
    network = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[3.0, -4.0], [1.0, 0.0], [-2.0, 2.0]]))
        network[2].weight.copy_(torch.tensor([[1.0, -2.0, 0.0], [0.0, 1.0, 5.0]]))
    return network


@cache
def graph() -> Graph:
    return analyse(three_neurons(), IMAGES)


def of_weights(name: str, given: Calibration = CALIBRATION) -> Tensor:
    """The saliencies of the one layer that is ranked."""
    found = getattr(weight, name)(three_neurons(), graph(), given)
    assert list(found) == ["0.weight"], "the output layer is not ranked"
    return found["0.weight"].float()


def of_neurons(name: str, given: Calibration = CALIBRATION) -> Tensor:
    found: Tensor = getattr(neuron, name)(three_neurons(), graph(), given)
    return found


def test_magnitude_is_the_absolute_value() -> None:
    assert of_weights("magnitude").tolist() == [[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]]


def test_wanda_weighs_by_the_rms_of_the_input() -> None:
    rms = torch.tensor([math.sqrt(1 / 2), math.sqrt(4 / 2)])
    expected = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]]) * rms
    torch.testing.assert_close(of_weights("wanda"), expected)


def test_lamp_divides_by_the_squares_not_smaller() -> None:
    # Squares 0 1 4 4 9 16; sums of those not smaller (equal ones in order) 34 34 33 29 25 16.
    expected = torch.tensor([[9 / 25, 16 / 16], [1 / 34, 0.0], [4 / 33, 4 / 29]])
    torch.testing.assert_close(of_weights("lamp"), expected)


def test_taylor_of_weights_is_weight_times_gradient_of_the_loss() -> None:
    # Image 1 has logits (1, 1): dL/dlogits = (-1/2, 1/2) / 2 images. Image 2 is classified with certainty: no gradient.
    # Through the output weights: dL/da = (-1/4 * 1 + 0, 1/4 * 2 + 1/4, 1/4 * 5) = (-1/4, 3/4, 5/4); neuron 3 is off.
    # Times the input (1, 0) and |w|: neuron 1 3/4 * 1, neuron 2 3/4 * 1.
    expected = torch.tensor([[0.75, 0.0], [0.75, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(of_weights("taylor"), expected, atol=1e-6, rtol=1e-5)


def test_obs_is_the_square_over_the_inverse_gram_matrix() -> None:
    # Gram of the inputs: diag(1/2, 2) plus 1% of its mean diagonal, 0.0125; diagonal, so its inverse is.
    expected = torch.tensor([[9.0, 16.0], [1.0, 0.0], [4.0, 4.0]]) * torch.tensor([0.5125, 2.0125])
    torch.testing.assert_close(of_weights("obs"), expected)


def test_l2_norm_is_of_the_incoming_weights() -> None:
    torch.testing.assert_close(of_neurons("l2_norm"), torch.tensor([5.0, 1.0, math.sqrt(8)]))


def test_l1_norm_is_of_the_incoming_weights() -> None:
    assert of_neurons("l1_norm").tolist() == [7.0, 1.0, 4.0]


def test_in_out_norm_multiplies_both_sides() -> None:
    expected = torch.tensor([5.0 * 1, 1.0 * math.sqrt(5), math.sqrt(8) * 5])
    torch.testing.assert_close(of_neurons("in_out_norm"), expected)


def test_activation_is_spread_times_outgoing_norm() -> None:
    # Standard deviations (n - 1) of (3, 0), (1, 0), (0, 4): 3, 1, 4 over the square root of two.
    expected = torch.tensor([3.0 * 1, 1.0 * math.sqrt(5), 4.0 * 5]) / math.sqrt(2)
    torch.testing.assert_close(of_neurons("activation"), expected)


def test_taylor_of_neurons_is_activation_times_gradient() -> None:
    # As above, not divided by the number of images before the mean: |3 * -1/2|, |1 * 3/2|, 0, each over two images.
    expected = torch.tensor([0.75, 0.75, 0.0])
    torch.testing.assert_close(of_neurons("taylor"), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("of", [of_weights, of_neurons])
def test_random_depends_on_the_seed_alone(of: object) -> None:
    other = Calibration(IMAGES, CALIBRATION.labels, seed=8)
    one, two, three = (of("random", given) for given in (CALIBRATION, CALIBRATION, other))  # type: ignore[operator]
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    assert len(one.unique()) == one.numel()


@pytest.mark.parametrize("of", [of_weights, of_neurons])
def test_what_uses_the_loss_says_that_it_needs_labels(of: object) -> None:
    with pytest.raises(PrunelabError, match="needs labels="):
        of("taylor", Calibration(IMAGES, None, seed=0))  # type: ignore[operator]


class Residual(nn.Module):
    """Two channels that a residual connection ties; read at all positions by `second`, after the mean by `output`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1, bias=False)
        self.second = nn.Conv2d(2, 2, 1, bias=False)
        self.output = nn.Linear(2, 2, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        stream = self.first(images)
        return self.output((stream + self.second(stream)).mean((2, 3)))


@pytest.fixture
def residual() -> tuple[Residual, Graph, Calibration]:
    torch.manual_seed(0)
    network = Residual()
    given = Calibration(torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 0, 1, 1, 0]), seed=0)
    return network, analyse(network, given.images), given


def test_tied_channels_are_worth_the_sum_of_their_norms(residual: tuple[Residual, Graph, Calibration]) -> None:
    network, tied, given = residual
    norms = [layer.weight.flatten(1).norm(dim=1) for layer in (network.first, network.second)]
    torch.testing.assert_close(neuron.l2_norm(network, tied, given), (norms[0] + norms[1]).detach())


def test_activation_of_a_channel_is_over_all_positions_and_summed_over_its_consumers(
    residual: tuple[Residual, Graph, Calibration],
) -> None:
    network, tied, given = residual
    stream = network.first(given.images)
    pooled = (stream + network.second(stream)).mean((2, 3))
    expected = stream.movedim(1, -1).reshape(-1, 2).std(0) * network.second.weight.flatten(2).norm(dim=(0, 2))
    expected += pooled.std(0) * network.output.weight.norm(dim=0)
    torch.testing.assert_close(neuron.activation(network, tied, given), expected.detach())


def test_taylor_counts_what_passes_through_each_consumer_once(residual: tuple[Residual, Graph, Calibration]) -> None:
    """A channel's score is the derivative of each image's loss in a factor before all that its consumers are given."""
    network, tied, given = residual
    stream, labels = network.first(given.images).detach(), given.labels
    factors = torch.ones(6, 2, requires_grad=True)
    scaled = stream * factors[:, :, None, None]
    logits = network.output((stream + network.second(scaled)).mean((2, 3)) * factors)
    (slopes,) = torch.autograd.grad(functional.cross_entropy(logits, labels, reduction="sum"), factors)
    torch.testing.assert_close(neuron.taylor(network, tied, given), slopes.abs().mean(0))
