"""The networks beside the MLP: their shapes, their reproducibility, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from prunelab.compose import compose_job
from prunelab.errors import ConfigError
from prunelab.plugins import imported

NAMES = ("lenet5", "vgg_small", "resnet8", "mobilenet_small", "vit_tiny")
SHAPES = ((1, 28, 28), (1, 8, 8), (3, 32, 32))
CLASSES = 7


@pytest.fixture(autouse=True)
def torch_random_state() -> Iterator[None]:
    """Whatever a test draws, the next one begins where it would have without."""
    with torch.random.fork_rng(devices=[]):
        yield


def arguments(name: str, shape: tuple[int, int, int]) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class and the arguments in `conf/model/<name>.yaml`; on 8x8 images LeNet-5 needs more padding."""
    overrides = ["model.padding=[2,2]"] if name == "lenet5" and shape[1] < 12 else []
    model = compose_job([f"model={name}", *overrides]).model
    return imported(model.network, "model.network"), model.options


def network(name: str, shape: tuple[int, int, int], seed: int = 0, **changed: Any) -> nn.Module:
    network_class, given = arguments(name, shape)
    torch.manual_seed(seed)
    return network_class(shape=shape, classes=CLASSES, **{**given, **changed})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_images_become_logits_and_every_parameter_has_a_part_in_them(name: str, shape: tuple[int, int, int]) -> None:
    built = network(name, shape)
    logits = built(torch.rand(3, *shape))
    assert logits.shape == (3, CLASSES)
    assert torch.isfinite(logits).all()
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in built.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    one, same, other = (network(name, SHAPES[0], seed).state_dict() for seed in (5, 5, 6))
    assert one.keys() == same.keys() == other.keys()
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", NAMES)
def test_the_output_layer_is_linear_and_the_last(name: str) -> None:
    last_name, last = list(network(name, SHAPES[0]).named_modules())[-1]
    assert last_name == "classifier"
    assert isinstance(last, nn.Linear)
    assert last.out_features == CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_classified_without_regard_to_the_others_of_its_batch(name: str) -> None:
    built = network(name, SHAPES[0])
    images = torch.rand(6, *SHAPES[0])
    built(images)  # batch normalisation has statistics of something
    built.eval()
    with torch.no_grad():
        together = built(images)
        alone = torch.cat([built(image) for image in torch.split(images, 1)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_traced(name: str, shape: tuple[int, int, int]) -> None:
    built = network(name, shape).eval()
    images = torch.rand(2, *shape)
    traced = torch.export.export(built, (images,), strict=False).module()
    torch.testing.assert_close(traced(images), built(images))


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("lenet5", {"channels": [3, 5], "hidden": [7, 11]}),
        ("vgg_small", {"widths": [[3], [4, 5, 6]]}),
        ("resnet8", {"widths": [3, 3, 5]}),
        ("mobilenet_small", {"stem": 3, "widths": [5, 5], "strides": [1, 1], "expansion": 2, "last": 9}),
        ("vit_tiny", {"patch": 7, "width": 12, "heads": 3, "hidden": [5, 9]}),
    ],
)
def test_its_sizes_are_the_users(name: str, changed: dict[str, Any]) -> None:
    assert network(name, SHAPES[0], **changed)(torch.rand(2, *SHAPES[0])).shape == (2, CLASSES)


@pytest.mark.parametrize(
    ("name", "changed", "accepted"),
    [
        ("lenet5", {"channels": [6]}, "a list of 2 whole numbers, each at least 1"),
        ("lenet5", {"hidden": [120, 0]}, "a list of 2 whole numbers, each at least 1"),
        ("lenet5", {"padding": [2, 5]}, "a list of 2 whole numbers, each from 0 to 4"),
        ("lenet5", {"padding": 2}, "a list of 2 whole numbers, each from 0 to 4"),
        ("vgg_small", {"widths": []}, "a list of blocks"),
        ("vgg_small", {"widths": 16}, "a list of blocks"),
        ("vgg_small", {"widths": [[8]] * 6}, "at most 5 blocks for images of 28x28"),
        ("resnet8", {"widths": [16, 32]}, "a list of 3 whole numbers, each at least 1"),
        ("resnet8", {"widths": [16, 32, 6.5]}, "a list of 3 whole numbers, each at least 1"),
        ("mobilenet_small", {"stem": "many"}, "a whole number, at least 1"),
        ("mobilenet_small", {"strides": [1, 2]}, "as many numbers as model.widths has"),
        ("vit_tiny", {"patch": 5}, "a whole number that divides the images' 28 rows and 28 columns"),
        ("vit_tiny", {"heads": 5}, "a whole number that divides model.width="),
        ("vit_tiny", {"hidden": []}, "a list of whole numbers, each at least 1"),
        ("vit_tiny", {"width": True}, "a whole number, at least 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(name: str, changed: dict[str, Any], accepted: str) -> None:
    ((key, value),) = changed.items()
    with pytest.raises(ConfigError, match=re.escape(f"model.{key}={value} is refused: it accepts {accepted}")):
        network(name, SHAPES[0], **changed)


def test_refused_widths_are_named_by_their_block() -> None:
    with pytest.raises(ConfigError, match=re.escape("model.widths[1]=[8, 0] is refused")):
        network("vgg_small", SHAPES[0], widths=[[8], [8, 0]])


def test_lenet5_says_what_images_it_accepts() -> None:
    with pytest.raises(ConfigError, match="images of at least 12x12"):
        network("lenet5", (1, 8, 8), padding=[2, 0])
