"""`prunelab.prune` on a network of one's own, without the command line's libraries."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

import prunelab
from prunelab.reading import CONF

METHODS = sorted(path.stem for path in (CONF / "method").glob("*.yaml"))


class Net(nn.Module):
    """A small convolutional network with batch normalisation and a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv, self.norm2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.wide, self.output = nn.Conv2d(8, 16, 2, stride=2), nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.norm1(self.stem(images)).relu()
        hidden = hidden + self.norm2(self.conv(hidden)).sigmoid()
        return self.output(self.wide(hidden).relu().mean((2, 3)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    network = Net()
    network(torch.randn(64, 4, 8, 8))  # statistics of batch normalisation that are not those of a new network
    return network


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(100, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def labels() -> Tensor:
    return torch.randint(5, (100,), generator=torch.Generator().manual_seed(2))


def test_five_lines_prune_a_network_of_ones_own(net: Net, images: Tensor) -> None:
    result = prunelab.prune(net, images, method="neuron_activation", percentage=50, recovery="least_squares")
    assert type(result.network) is Net
    assert result.after.units == result.before.units - result.before.units // 2 == 12
    assert result.after.parameters == sum(parameter.numel() for parameter in result.network.parameters())
    with torch.no_grad():
        assert torch.allclose(result.network(images), result.masked(images), atol=1e-5)
    assert result.error < 1e-5
    assert "output" in result.whole


def test_the_network_is_never_changed(net: Net, images: Tensor, labels: Tensor) -> None:
    net.train()
    net.stem.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    result = prunelab.prune(net, images, "neuron_taylor", 40, recovery="batch_norm", labels=labels)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not result.network.get_parameter("stem.weight").requires_grad
    assert not result.network.training


@pytest.mark.parametrize("method", METHODS)
def test_every_method_prunes_convolutions(method: str, net: Net, images: Tensor, labels: Tensor) -> None:
    one, two = (prunelab.prune(net, images, method, 50, labels=labels, exclude=["wide"]) for _ in range(2))
    assert one.after.units == one.before.units - one.before.units // 2
    assert one.error < 1e-5
    assert all(torch.equal(a, b) for a, b in zip(one.masked.parameters(), two.masked.parameters(), strict=True))
    assert int((one.masked.get_parameter("wide.weight") == 0).sum(dim=(1, 2, 3)).eq(32).sum()) == 0


@pytest.mark.parametrize("what", ["parameters", "multiply_adds"])
@pytest.mark.parametrize("method", ["weight", "neuron"])
def test_a_share_of_parameters_or_multiply_adds_is_reached_and_not_exceeded(
    what: str, method: str, net: Net, images: Tensor
) -> None:
    result = prunelab.prune(net, images, method, 60, percentage_of=what)
    removed = 1 - getattr(result.after, what) / getattr(result.before, what)
    assert 0.6 - (0.001 if method == "weight" else 0.12) <= removed <= 0.6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "nonsense"}, "method=nonsense is refused: it accepts neuron"),
        ({"recovery": "nonsense"}, "recovery=nonsense is refused"),
        ({"recovery_options": {"nonsense": 1}}, "recovery.nonsense"),
        ({"percentage": 101}, "percentage=101"),
        ({"percentage": True}, "percentage=True"),
        ({"percentage_of": "neurons"}, "units, parameters, multiply_adds"),
        ({"exclude": ["nothing*"]}, "the layers are stem, conv, wide, output"),
        ({"images": torch.zeros(3, 4, 8, 8, dtype=torch.uint8)}, "float tensor"),
        ({"images": torch.zeros(0, 4, 8, 8)}, "at least one image"),
        ({"images": torch.full((3, 4, 8, 8), torch.nan)}, "NaN or infinite"),
        (
            {"images": torch.zeros(3, 4, 8, 8).half()},
            "the images are in torch.float16: pruning takes float32 or float64",
        ),
        ({"images": torch.zeros(3, 1, 8, 8)}, "cannot take images of 1x8x8"),
        ({"labels": torch.zeros(3)}, "int64 tensor"),
        ({"method": "neuron_taylor"}, "labels="),
        ({"recovery": "finetune"}, "labels"),
        ({"method": "weight_n_m", "percentage": 30}, "0, 25, 50, 75, 100"),
    ],
)
def test_bad_input_is_refused_in_words(changes: dict[str, object], words: str, net: Net, images: Tensor) -> None:
    with pytest.raises(prunelab.PrunelabError, match=words.replace("*", r"\*")):
        prunelab.prune(net, **{"images": images, **changes})  # type: ignore[arg-type]


def test_a_network_in_half_precision_is_refused_in_words(net: Net, images: Tensor) -> None:
    with pytest.raises(prunelab.PrunelabError, match=r"stem.weight is in torch.bfloat16: .* network.float"):
        prunelab.prune(copy.deepcopy(net).bfloat16(), images)


def test_a_network_and_images_on_different_devices_are_refused_in_words(net: Net, images: Tensor) -> None:
    with pytest.raises(prunelab.NetworkError, match="are on cpu and meta: pruning takes one device"):
        prunelab.prune(copy.deepcopy(net).to("meta"), images)
    with pytest.raises(prunelab.NetworkError, match="on the meta device, without values"):
        prunelab.prune(copy.deepcopy(net).to("meta"), images.to("meta"))


IMPORTED = """
import sys, prunelab
assert not {"torch", "hydra", "mlflow", "pytorch_lightning"} & set(sys.modules)
"""
PRUNED = """
import torch
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
result = prunelab.prune(network, torch.rand(20, 2, 4), percentage=50, recovery="least_squares")
assert result.network[1].out_features == 4
assert not {"hydra", "mlflow", "pytorch_lightning"} & set(sys.modules)
"""


@pytest.mark.parametrize(
    "program",
    [pytest.param(IMPORTED, id="importing"), pytest.param(IMPORTED + PRUNED, id="pruning", marks=pytest.mark.slow)],
)
def test_importing_and_pruning_load_none_of_the_command_lines_libraries(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
