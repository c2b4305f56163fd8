"""Augmented batches: moved and mirrored images, the same for a seed, and training batches alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from prunelab.compose import compose_job
from prunelab.data import finish
from prunelab.data.dataset import Dataset, load
from prunelab.training.augment import Augmentation
from prunelab.training.batches import DataModule


def drawn(count: int = 64, channels: int = 3) -> Tensor:
    return torch.rand((count, channels, 6, 7), generator=torch.Generator().manual_seed(0)) + 0.1


def augmented(images: Tensor, augmentation: Augmentation, seed: int = 0) -> Tensor:
    return augmentation(images, augmentation.generator(seed))


def every_move(image: Tensor, shift: int, black: Tensor) -> dict[tuple[int, int], Tensor]:
    """An image moved by every (down, right), one pixel after the other."""
    channels, rows, columns = image.shape
    moves = {}
    for down in range(-shift, shift + 1):
        for right in range(-shift, shift + 1):
            moved = black.view(-1, 1, 1).expand(channels, rows, columns).clone()
            for row in range(rows):
                for column in range(columns):
                    if 0 <= row - down < rows and 0 <= column - right < columns:
                        moved[:, row, column] = image[:, row - down, column - right]
            moves[down, right] = moved
    return moves


def test_each_image_is_moved_by_itself_by_at_most_so_many_pixels_with_black_coming_in() -> None:
    images, black = drawn(), (-1.0, -2.0, -3.0)
    seen = set()
    for image, moved in zip(images, augmented(images, Augmentation(shift=1, black=black)), strict=True):
        matching = [by for by, expected in every_move(image, 1, torch.tensor(black)).items() if expected.equal(moved)]
        assert len(matching) == 1
        seen.update(matching)
    assert len(seen) == 9, "of 64 images, some are moved each way"


def test_about_half_of_the_images_are_mirrored_left_to_right() -> None:
    images = drawn(400)
    result = augmented(images, Augmentation(flip=True))
    mirrored = torch.tensor([one.equal(other.flip(2)) for one, other in zip(result, images, strict=True)])
    same = torch.tensor([one.equal(other) for one, other in zip(result, images, strict=True)])
    assert (mirrored ^ same).all()
    assert 150 < int(mirrored.sum()) < 250


def test_nothing_changes_without_shift_and_flip_and_the_given_images_never_do() -> None:
    images = drawn()
    before = images.clone()
    assert augmented(images, Augmentation()) is images
    augmented(images, Augmentation(shift=2, flip=True))
    assert torch.equal(images, before)


def test_a_shift_beyond_the_image_leaves_black_or_what_is_still_in_sight() -> None:
    images = drawn(200, channels=1)
    result = augmented(images, Augmentation(shift=20, black=(-1.0,)))
    assert result.shape == images.shape
    assert any(bool((image == -1).all()) for image in result)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load(compose_job(["data=digits", "data.mean=[0.3]", "data.std=[0.4]"]).data)


def epochs(module: DataModule) -> list[Tensor]:
    return [torch.cat([images for images, _ in module.train_dataloader()]) for _ in range(2)]


def test_a_seed_gives_the_same_batches_and_each_epoch_others(dataset: Dataset) -> None:
    first, second = epochs(DataModule(dataset, 100, seed=3, shift=2, flip=True))
    again, _ = epochs(DataModule(dataset, 100, seed=3, shift=2, flip=True))
    other, _ = epochs(DataModule(dataset, 100, seed=4, shift=2, flip=True))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_each_batch_and_each_epoch_is_moved_otherwise(dataset: Dataset) -> None:
    same = replace(dataset.train, images=drawn(1).expand(len(dataset.train), -1, -1, -1))
    module = DataModule(replace(dataset, train=same), 100, seed=0, shift=2)
    first, second, *_ = (images for _ in range(2) for images, _ in module.train_dataloader())
    assert not torch.equal(first, second)
    one, two = epochs(module)
    assert not torch.equal(one, two)


def test_the_order_of_the_images_is_the_same_with_and_without(dataset: Dataset) -> None:
    plain = DataModule(dataset, 100, seed=0)
    moved = DataModule(dataset, 100, seed=0, shift=2, flip=True)
    for _ in range(2):
        for (one, labels), (other, same) in zip(plain.train_dataloader(), moved.train_dataloader(), strict=True):
            assert torch.equal(labels, same)
            assert not torch.equal(one, other)


def test_only_training_batches_are_augmented(dataset: Dataset) -> None:
    module = DataModule(dataset, 100, seed=0, shift=2, flip=True)
    assert torch.equal(torch.cat([images for images, _ in module.val_dataloader()]), dataset.validation.images)


def test_what_comes_in_is_the_normalised_value_of_black(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "FLOAT_BYTES", 1)
    large = load(compose_job(["data=digits", "data.mean=[0.3]", "data.std=[0.4]"]).data)
    for of in (dataset, large):
        images, _ = next(iter(DataModule(of, 100, seed=0, shift=8).train_dataloader()))
        black = images.min()
        assert black.item() == pytest.approx(-0.3 / 0.4)
        assert any(bool((image == black).all()) for image in images), "one of them is out of sight"
