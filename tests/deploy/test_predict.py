"""Images are classified as the network would; those it cannot take are refused, others converted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import SMALL, Outcome, Project, in_process

from prunelab.compose import compose_job
from prunelab.config import Model
from prunelab.data.dataset import dataset_of
from prunelab.deploy.classify import read_image
from prunelab.deploy.predict import main
from prunelab.errors import ExportError
from prunelab.network.saved import Card, read_network

CARD = Card(Model(name="", network=""), (1, 8, 8), tuple("0123456789"), None, ())


def predict(project: Project, *arguments: str) -> Outcome:
    return in_process("prunelab-predict", main, project.folder, *arguments, "data=digits")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    """A project with one job, trained long enough to tell digits apart."""
    from tests.conftest import new_project

    project = new_project(tmp_path_factory.mktemp("trained"), empty_store)
    outcome = project.prunelab(*SMALL, "training.epochs=20", "percentage=20", "measure.batch_sizes=[]")
    assert outcome.status == 0, outcome.output
    return project


def picture(folder: Path, index: int, size: int = 8) -> tuple[Path, int]:
    """A test image of the digits as a PNG, and its label."""
    test = dataset_of(compose_job(["data=digits"]).data).test
    pixels = (test.images[index].reshape(8, 8) * 255).round().byte().numpy()
    path = folder / f"{index}-{size}.png"
    Image.fromarray(np.kron(pixels, np.ones((size // 8, size // 8), np.uint8))).save(path)
    return path, int(test.labels[index])


def test_classes_and_probabilities_are_the_networks(trained: Project, tmp_path: Path) -> None:
    paths = [picture(tmp_path, index)[0] for index in range(5)]
    outcome = predict(trained, "weight-20", *map(str, paths))
    assert outcome.status == 0, outcome.output
    (run,) = trained.runs("job")
    network, card = read_network(trained.artifact(run, "network.safetensors").read_bytes())
    for path, line in zip(paths, outcome.output.splitlines(), strict=True):
        with torch.no_grad():
            expected = network(read_image(path, card).unsqueeze(0)).softmax(1)[0]
        best = expected.argsort(descending=True)[:3].tolist()
        assert line == f"{path}: " + ", ".join(f"{digit} {expected[digit]:.4f}" for digit in best)


def test_most_images_are_recognised(trained: Project, tmp_path: Path) -> None:
    pictures = [picture(tmp_path, index) for index in range(20)]
    lines = predict(trained, "last", *(str(path) for path, _ in pictures), "--top=1").output.splitlines()
    right = sum(line.split(": ")[1].startswith(str(label)) for line, (_, label) in zip(lines, pictures, strict=True))
    assert right >= 15


def test_an_exported_file_is_as_good_as_the_run(trained: Project, tmp_path: Path) -> None:
    (run,) = trained.runs("job")
    file = tmp_path / "taken-away.safetensors"
    file.write_bytes(trained.artifact(run, "network.safetensors").read_bytes())
    path = str(picture(tmp_path, 0)[0])
    assert predict(trained, str(file), path).output == predict(trained, "weight-20", path).output


def test_any_mode_becomes_the_same_grey_and_a_larger_image_is_reduced(tmp_path: Path) -> None:
    path, _ = picture(tmp_path, 3)
    grey = Image.open(path)
    plain = read_image(path, CARD)
    assert plain.min() >= 0
    assert plain.max() <= 1
    wide = np.asarray(grey).astype(np.uint16) * 257
    variants = {
        "rgb": grey.convert("RGB"),
        "rgba": grey.convert("RGBA"),
        "palette": grey.convert("P"),
        "la": grey.convert("LA"),
        "16": Image.fromarray(wide),
    }
    for name, image in variants.items():
        image.save(tmp_path / f"{name}.png")
        assert torch.allclose(read_image(tmp_path / f"{name}.png", CARD), plain, atol=1 / 255), name
    assert torch.allclose(read_image(picture(tmp_path, 3, size=32)[0], CARD), plain, atol=1 / 255)
    assert torch.allclose(read_image(path, CARD, invert=True), 1 - plain)


def test_transparent_pixels_are_background(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png", CARD).max() == 0
    assert read_image(tmp_path / "clear.png", CARD, invert=True).max() == 0


@pytest.mark.parametrize(("size", "words"), [((7, 8), "7x8"), ((16, 8), "16x8"), ((4, 4), "4x4")])
def test_an_image_of_another_shape_is_refused_and_none_is_classified(
    size: tuple[int, int], words: str, trained: Project, tmp_path: Path
) -> None:
    good, _ = picture(tmp_path, 0)
    Image.new("L", size).save(tmp_path / "odd.png")
    outcome = predict(trained, "weight-20", str(good), str(tmp_path / "odd.png"))
    assert outcome.status == 1
    assert f"is {words}: the network takes 8x8" in outcome.output
    assert f"{good}:" not in outcome.output


def test_what_is_no_image_or_no_run_is_refused(trained: Project, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ExportError, match="cannot be read as an image"):
        read_image(tmp_path / "text.png", CARD)
    refused = {
        ("weight-20", str(tmp_path / "absent.png")): "cannot be read",
        ("neuron-77", str(picture(tmp_path, 0)[0])): "nearest: weight-20",
        ("absent.safetensors", str(picture(tmp_path, 0)[0])): "absent.safetensors cannot be read",
    }
    for arguments, words in refused.items():
        outcome = predict(trained, *arguments)
        assert outcome.status == 1
        assert words in outcome.output
        assert "Traceback" not in outcome.output
