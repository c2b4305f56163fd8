"""A folder of pictures per class becomes a data set; one that cannot is refused in one message."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prunelab.compose import compose_job
from prunelab.config import Data
from prunelab.data.dataset import Dataset, load
from prunelab.errors import ConfigError, DataError, PrunelabError


def draw(folder: Path, classes: dict[str, int], size: int = 4) -> Path:
    """For each class a folder of so many pictures, each of another colour."""
    for number, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.new("RGB", (size, size), (number * 50, index, 9)).save(folder / name / f"{index:03d}.png")
    return folder


@cache
def composed(*overrides: str) -> Data:
    """Hydra takes a while; the same overrides are composed once."""
    return compose_job(overrides).data


def loaded(folder: Path, *overrides: str) -> Dataset:
    settings = ("data.size=[4,4]", "data.validation=5", *overrides)
    return load(composed("data=image_folder", *settings).model_copy(update={"folder": folder}))


def colours(images: torch.Tensor) -> list[tuple[int, int]]:
    """(class, index) as they were drawn."""
    pixels = (images[:, :, 0, 0] * 255).round().int().tolist()
    return sorted((red // 50, green) for red, green, _ in pixels)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return draw(tmp_path / "pictures", {"ash": 20, "beech": 30, "oak": 10})


def test_each_picture_is_in_one_split_under_the_name_of_its_folder(pictures: Path) -> None:
    dataset = loaded(pictures)
    assert dataset.classes == ("ash", "beech", "oak")
    assert dataset.shape == (3, 4, 4)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert [len(split) for split in splits] == [43, 5, 12]
    everything = [(0, i) for i in range(20)] + [(1, i) for i in range(30)] + [(2, i) for i in range(10)]
    assert sorted(pair for split in splits for pair in colours(split.images)) == everything
    for split in splits:
        assert ((split.images[:, 0, 0, 0] * 255 / 50).round().long() == split.labels).all()


def test_the_test_pictures_are_a_share_of_each_class_drawn_by_the_split_seed(pictures: Path) -> None:
    test = loaded(pictures).test
    assert test.labels.bincount().tolist() == [4, 6, 2]
    assert colours(loaded(pictures).test.images) == colours(test.images)
    assert colours(loaded(pictures, "data.split_seed=1").test.images) != colours(test.images)
    assert loaded(pictures, "data.test=0.5").test.labels.bincount().tolist() == [10, 15, 5]
    most = loaded(pictures, "data.test=0.99", "data.validation=1")
    assert torch.cat([most.train.labels, most.validation.labels]).bincount().tolist() == [1, 1, 1], "one stays to train"


def test_pictures_in_a_test_folder_test_and_no_others(pictures: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(pictures, both / "train")
    draw(both / "test", {"ash": 3, "beech": 2, "oak": 1})
    dataset = loaded(both)
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [55, 5, 6]
    assert dataset.test.labels.tolist() == [0, 0, 0, 1, 1, 2]
    shutil.rmtree(both / "test")
    assert len(loaded(both).test) == 12, "without test/, a share of train/"


def test_pictures_of_all_sizes_and_modes_become_one_shape_in_grey_or_colour(pictures: Path) -> None:
    Image.new("L", (40, 9), 7).save(pictures / "ash" / "wide.jpg")
    Image.new("RGBA", (5, 50), (9, 9, 9, 0)).save(pictures / "oak" / "tall.png")
    (pictures / "beech" / "more").mkdir()
    Image.fromarray(np.full((3, 3), 700, dtype=np.uint16)).save(pictures / "beech" / "more" / "DEEP.PNG")
    assert loaded(pictures).shape == (3, 4, 4)
    grey = loaded(pictures, "data.channels=1", "data.size=[6,5]")
    assert grey.shape == (1, 6, 5)
    assert sum(len(split) for split in (grey.train, grey.validation, grey.test)) == 63


def test_hidden_files_and_files_that_are_no_pictures_are_ignored(pictures: Path) -> None:
    digest = loaded(pictures).digest
    (pictures / "ash" / "notes.txt").write_text("not a picture")
    (pictures / "ash" / "._000.png").write_text("what some systems leave")
    draw(pictures, {".thumbnails": 2})
    assert loaded(pictures).digest == digest


def test_the_digest_tells_other_pictures_and_other_classes_and_not_where_they_are(
    pictures: Path, tmp_path: Path
) -> None:
    digest = loaded(pictures).digest
    assert len(digest) == 64
    moved = Path(shutil.copytree(pictures, tmp_path / "elsewhere"))
    assert loaded(moved).digest == digest
    assert loaded(moved, "data.split_seed=1", "data.test=0.4").digest == digest
    Image.new("RGB", (4, 4), "white").save(moved / "oak" / "000.png")
    assert loaded(moved).digest != digest
    (pictures / "oak").rename(pictures / "pine")
    assert loaded(pictures).digest != digest


def one_class(folder: Path) -> Path:
    return draw(folder, {"ash": 3})


def no_class(folder: Path) -> Path:
    folder.mkdir()
    Image.new("L", (4, 4)).save(folder / "loose.png")
    return folder


def empty_class(folder: Path) -> Path:
    return draw(folder, {"ash": 9, "beech": 0, "oak": 0})


def validation_beside_train(folder: Path) -> Path:
    draw(folder / "val", {"ash": 9, "oak": 9})
    draw(folder / "train", {"ash": 9, "oak": 9})
    return folder


def unknown_in_test(folder: Path) -> Path:
    draw(folder / "train", {"ash": 9, "oak": 9})
    draw(folder / "test", {"ash": 9, "pine": 9})
    return folder


def no_folder(folder: Path) -> Path:
    return folder


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (no_folder, "there is no such folder; it accepts a folder with one folder of pictures per class"),
        (no_class, "it has no folders of pictures; it accepts"),
        (one_class, "it has a folder of only one class, ash; it accepts"),
        (empty_class, "there are no pictures in beech/, oak/; pictures are files named .avif"),
        (validation_beside_train, "besides train/ it has val; it accepts"),
        (unknown_in_test, "test/ has classes that train/ has not: pine"),
    ],
)
def test_a_folder_of_another_layout_is_refused(made: object, words: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "pictures")  # type: ignore[operator]
    with pytest.raises(DataError) as refused:
        loaded(folder)
    assert f"data.folder={folder} is refused: {words}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_unreadable_pictures_are_in_one_message_five_of_them_by_name(pictures: Path) -> None:
    for index in range(7):
        (pictures / "ash" / f"{index:03d}.png").write_text("damaged")
    with pytest.raises(DataError) as refused:
        loaded(pictures)
    lines = str(refused.value).splitlines()
    assert lines[0] == "7 of 60 pictures cannot be read; fix or remove them:"
    for index, line in enumerate(lines[1:6]):
        assert str(pictures / "ash" / f"{index:03d}.png") in line
    assert lines[6:] == ["  and 2 more"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.validation=48", "image_folder has 48 images to train and validate on; it accepts a whole number from 1"),
        ("data.test=0.001", "data.test=0.001 is refused: none of the 60 pictures"),
        ("data.test=0", "data.test=0 is refused: it accepts a number above 0 and below 1"),
        ("data.test=1", "data.test=1 is refused: it accepts a number above 0 and below 1"),
        ("data.size=[0,4]", "data.size.0=0 is refused"),
        ("data.size=[4]", "data.size"),
        ("data.size=4", "data.size=4 is refused: it accepts two whole numbers, at least 1: rows and columns"),
        ("+data.nonsense=1", "data.nonsense: no such key"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(override: str, words: str, pictures: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(pictures, override)
    assert words in str(refused.value)


def test_settings_are_refused_before_any_picture_is_read(tmp_path: Path) -> None:
    with pytest.raises(PrunelabError, match=r"data.test=2 is refused"):
        loaded(tmp_path / "missing", "data.test=2")
