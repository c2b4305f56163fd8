"""Images are classified as the network would; those it cannot take are refused, others converted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import SMALL, Outcome, Project, in_process

from prunelab.cli.export import main as export
from prunelab.cli.predict import main
from prunelab.compose import compose_job
from prunelab.config import Model
from prunelab.data.dataset import dataset_of
from prunelab.deploy.classify import read_image
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
    lines = [line for line in outcome.output.splitlines() if ".png" in line]
    for path, line in zip(paths, lines, strict=True):
        with torch.no_grad():
            expected = network(read_image(path, card).unsqueeze(0)).softmax(1)[0]
        first, *others = expected.argsort(descending=True)[:3].tolist()
        then = ", ".join(f"{digit} {expected[digit]:.4f}" for digit in others)
        assert " ".join(line.split()) == f"{path} {first} {expected[first]:.4f} {then}"


@pytest.mark.slow
def test_most_images_of_a_folder_are_recognised_and_json_says_which(trained: Project, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    labels = {str(path): label for path, label in (picture(folder, index) for index in range(20))}
    (folder / "notes.txt").write_text("no picture")
    outcome = predict(trained, "last", str(folder), "--top=2", "--json", "-q")
    assert outcome.status == 0, outcome.output
    found = json.loads(outcome.output)
    assert {each["image"] for each in found} == set(labels)
    assert sum(each["class"] == str(labels[each["image"]]) for each in found) >= 15
    assert all(next(iter(each["probabilities"])) == each["class"] and len(each["probabilities"]) == 2 for each in found)
    matched = json.loads(predict(trained, "last", str(folder / "1*-8.png"), "--json", "-q").output)
    assert len(matched) == 11, "1 and 10 to 19"


def test_an_exported_file_of_either_format_is_as_good_as_the_run(trained: Project, tmp_path: Path) -> None:
    path = str(picture(tmp_path, 0)[0])
    assert predict(trained, "weight-20", path).output.startswith("network: weight-20 (run ")
    expected = predict(trained, "weight-20", path, "-q").output
    for form in ("safetensors", "onnx"):
        file = str(tmp_path / f"taken-away.{form}")
        assert (
            in_process(
                *("prunelab-export", export, trained.folder, "weight-20", f"--format={form}", f"--output={file}"),
                "data=digits",
            ).status
            == 0
        )
        assert predict(trained, file, path).output == expected


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
def test_an_image_that_the_network_cannot_take_is_named_and_the_others_are_classified(
    size: tuple[int, int], words: str, trained: Project, tmp_path: Path
) -> None:
    good, _ = picture(tmp_path, 0)
    Image.new("L", size).save(tmp_path / "odd.png")
    outcome = predict(trained, "weight-20", str(tmp_path / "odd.png"), str(good))
    assert outcome.status == 1
    assert f"odd.png is {words}: the network takes 8x8" in outcome.output
    assert "1 of 2 images could not be classified" in outcome.output
    assert any(line.split()[:1] == [str(good)] for line in outcome.output.splitlines())


def test_what_is_no_image_or_no_run_is_refused(trained: Project, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="cannot be read as an image"):
        read_image(tmp_path / "text.png", CARD)
    good = str(picture(tmp_path, 0)[0])
    refused = {
        ("weight-20", str(tmp_path / "absent.png")): "cannot be read",
        ("weight-20", str(tmp_path / "empty")): "is a folder without pictures",
        ("weight-20", str(tmp_path / "no*.png")): "matches no file",
        ("neuron-77", good): "nearest: weight-20",
        ("absent.safetensors", good): "there is no file absent.safetensors",
        (str(tmp_path / "text.onnx"), good): "ONNX Runtime cannot run the model",
    }
    for arguments, words in refused.items():
        outcome = predict(trained, *arguments)
        assert outcome.status == 1
        assert words in outcome.output
        assert "Traceback" not in outcome.output
