"""Each score on a network of three neurons, computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from prunelab.pruning.calibration import Calibration
from prunelab.pruning.scores import neuron, weight

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


def only(scores: list[torch.Tensor]) -> torch.Tensor:
    (score,) = scores
    return score.float()


def test_magnitude_is_the_absolute_value() -> None:
    assert only(weight.magnitude(three_neurons(), CALIBRATION)).tolist() == [[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]]


def test_wanda_weighs_by_the_rms_of_the_input() -> None:
    rms = torch.tensor([math.sqrt(1 / 2), math.sqrt(4 / 2)])
    expected = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]]) * rms
    torch.testing.assert_close(only(weight.wanda(three_neurons(), CALIBRATION)), expected)


def test_lamp_divides_by_the_squares_not_smaller() -> None:
    # Squares 0 1 4 4 9 16; sums of those not smaller (equal ones in order) 34 34 33 29 25 16.
    expected = torch.tensor([[9 / 25, 16 / 16], [1 / 34, 0.0], [4 / 33, 4 / 29]])
    torch.testing.assert_close(only(weight.lamp(three_neurons(), CALIBRATION)), expected)


def test_taylor_of_weights_is_weight_times_gradient_of_the_loss() -> None:
    # Image 1 has logits (1, 1): dL/dlogits = (-1/2, 1/2) / 2 images. Image 2 is classified with certainty: no gradient.
    # Through the output weights: dL/da = (-1/4 * 1 + 0, 1/4 * 2 + 1/4, 1/4 * 5) = (-1/4, 3/4, 5/4); neuron 3 is off.
    # Times the input (1, 0) and |w|: neuron 1 3/4 * 1, neuron 2 3/4 * 1.
    expected = torch.tensor([[0.75, 0.0], [0.75, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(only(weight.taylor(three_neurons(), CALIBRATION)), expected, atol=1e-6, rtol=1e-5)


def test_obs_is_the_square_over_the_inverse_gram_matrix() -> None:
    # Gram of the inputs: diag(1/2, 2) plus 1% of its mean diagonal, 0.0125; diagonal, so its inverse is.
    expected = torch.tensor([[9.0, 16.0], [1.0, 0.0], [4.0, 4.0]]) * torch.tensor([0.5125, 2.0125])
    torch.testing.assert_close(only(weight.obs(three_neurons(), CALIBRATION)), expected)


def test_l2_norm_is_of_the_incoming_weights() -> None:
    expected = torch.tensor([5.0, 1.0, math.sqrt(8)])
    torch.testing.assert_close(only(neuron.l2_norm(three_neurons(), CALIBRATION)), expected)


def test_l1_norm_is_of_the_incoming_weights() -> None:
    assert only(neuron.l1_norm(three_neurons(), CALIBRATION)).tolist() == [7.0, 1.0, 4.0]


def test_in_out_norm_multiplies_both_sides() -> None:
    expected = torch.tensor([5.0 * 1, 1.0 * math.sqrt(5), math.sqrt(8) * 5])
    torch.testing.assert_close(only(neuron.in_out_norm(three_neurons(), CALIBRATION)), expected)


def test_activation_is_spread_times_outgoing_norm() -> None:
    # Standard deviations (n - 1) of (3, 0), (1, 0), (0, 4): 3, 1, 4 over the square root of two.
    expected = torch.tensor([3.0 * 1, 1.0 * math.sqrt(5), 4.0 * 5]) / math.sqrt(2)
    torch.testing.assert_close(only(neuron.activation(three_neurons(), CALIBRATION)), expected)


def test_taylor_of_neurons_is_activation_times_gradient() -> None:
    # As above, not divided by the number of images before the mean: |3 * -1/2|, |1 * 3/2|, 0, each over two images.
    expected = torch.tensor([0.75, 0.75, 0.0])
    torch.testing.assert_close(only(neuron.taylor(three_neurons(), CALIBRATION)), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("module", [weight, neuron])
def test_random_depends_on_the_seed_alone(module: object) -> None:
    other = Calibration(IMAGES, CALIBRATION.labels, seed=8)
    one, two, three = (only(module.random(three_neurons(), given)) for given in (CALIBRATION, CALIBRATION, other))  # type: ignore[attr-defined]
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    assert len(one.unique()) == one.numel()
