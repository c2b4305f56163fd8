"""Splits share no image, depend on their seed alone, and batches cover the training images once an epoch."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from prunelab.compose import compose_job
from prunelab.config import Data
from prunelab.data import finish as finishing
from prunelab.data.dataset import Dataset, Split, held_out, load
from prunelab.data.finish import content_digest, finish, luma
from prunelab.errors import ConfigError, DataError
from prunelab.training.batches import DataModule


@cache
def composed(*overrides: str) -> Data:
    """Hydra takes a while; the same overrides are composed once."""
    return compose_job(overrides).data


def digits(**changes: object) -> Dataset:
    return load(composed("data=digits").model_copy(update=changes))


def random_set(channels: int, *overrides: str, train: int = 50, test: int = 9) -> Dataset:
    """Of random colours, 6 rows x 5 columns."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (train + test, channels, 6, 5), generator=draws, dtype=torch.uint8)
    labels = torch.arange(train + test) % 3
    config = composed("data=digits", "data.validation=7", *overrides)
    return finish(config, (images[:train], labels[:train]), (images[train:], labels[train:]), ("a", "b", "c"), "drawn")


def test_the_digits_are_split_without_overlap() -> None:
    dataset = digits()
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (1257, 180, 360)
    assert dataset.train.images.dtype == torch.float32
    assert dataset.train.images.min() == 0
    assert dataset.train.images.max() == 1


def test_digits_are_16ths_and_their_digest_is_that_of_the_raw_file() -> None:
    raw = load_digits()
    dataset = digits()
    assert dataset.shape == (1, 8, 8)
    assert torch.equal(dataset.test.images.flatten(1), torch.from_numpy(raw.data[-360:].astype(np.float32) / 16))
    assert dataset.digest == hashlib.sha256(raw.data.tobytes() + raw.target.tobytes()).hexdigest()


def test_the_split_depends_on_its_seed_alone() -> None:
    assert torch.equal(digits().validation.images, digits().validation.images)
    assert not torch.equal(digits().validation.images, digits(split_seed=1).validation.images)
    assert torch.equal(digits().test.images, digits(split_seed=1).test.images)


def test_what_is_held_out_is_in_no_other_split() -> None:
    numbers = torch.arange(100).float().unsqueeze(1)
    config = compose_job(["data=digits", "data.validation=30"]).data
    train, validation = held_out(numbers, torch.arange(100), config)
    assert sorted([*train.labels.tolist(), *validation.labels.tolist()]) == list(range(100))
    assert torch.equal(train.images.squeeze(1).long(), train.labels)


def test_an_epoch_has_each_training_image_once_in_an_order_of_its_seed() -> None:
    dataset = digits()

    def epochs(seed: int) -> list[torch.Tensor]:
        module = DataModule(dataset, batch_size=128, seed=seed)
        return [torch.cat([labels for _, labels in module.train_dataloader()]) for _ in range(2)]

    first, second = epochs(0)
    assert len(first) == len(dataset.train)
    assert torch.equal(first.sort().values, dataset.train.labels.sort().values)
    assert not torch.equal(first, second)
    assert torch.equal(first, epochs(0)[0])
    assert not torch.equal(first, epochs(1)[0])


def test_images_chosen_by_slice_are_a_view_and_by_position_those_at_it() -> None:
    split = digits().train
    assert split.floats(slice(3, 9)).data_ptr() == split.images[3].data_ptr()
    assert torch.equal(split.floats(torch.tensor([5, 1])), torch.stack([split.images[5], split.images[1]]))
    assert torch.equal(split.take(4), split.images[:4])
    images, labels = zip(*split.batches(100), strict=True)
    assert [len(batch) for batch in labels] == [100] * 12 + [57]
    assert torch.equal(torch.cat(images), split.images)
    assert torch.equal(torch.cat(labels), split.labels)


@pytest.mark.parametrize("normalised", [(), ("data.mean=[0.3,0.4,0.5]", "data.std=[0.2,0.25,0.3]")])
def test_a_set_too_large_for_float32_stays_uint8_and_gives_the_same_images(
    normalised: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = random_set(3, *normalised)
    size = 59 * 3 * 6 * 5 * 4
    monkeypatch.setattr(finishing, "FLOAT_BYTES", size)
    assert random_set(3, *normalised).train.images.dtype == torch.float32
    monkeypatch.setattr(finishing, "FLOAT_BYTES", size - 1)
    large = random_set(3, *normalised)
    chosen = torch.tensor([9, 2, 40])
    for one, other in ((small.train, large.train), (small.validation, large.validation), (small.test, large.test)):
        assert (one.images.dtype, other.images.dtype) == (torch.float32, torch.uint8)
        assert torch.equal(one.images, other.take(len(other)))
        assert torch.equal(one.images, torch.cat([images for images, _ in other.batches(4)]))
    assert torch.equal(small.train.floats(chosen), large.train.floats(chosen))
    assert small.digest == large.digest


def test_normalisation_is_per_channel_and_said() -> None:
    plain = random_set(3)
    dataset = random_set(3, "data.mean=[0.3,0.4,0.5]", "data.std=[0.2,0.25,0.5]")
    mean, std = torch.tensor([[0.3, 0.4, 0.5], [0.2, 0.25, 0.5]]).view(2, 3, 1, 1)
    for split in ("train", "validation", "test"):
        expected = (getattr(plain, split).images - mean) / std
        assert torch.allclose(getattr(dataset, split).images, expected, atol=1e-6)
    assert plain.normalisation is None
    assert dataset.normalisation is not None
    assert (dataset.normalisation.mean, dataset.normalisation.std) == ((0.3, 0.4, 0.5), (0.2, 0.25, 0.5))
    assert dataset.normalisation.black == pytest.approx((-1.5, -1.6, -1.0))
    assert dataset.digest == plain.digest


def test_grey_repeated_to_colour_and_back_is_as_it_was() -> None:
    grey, colour = random_set(1), random_set(1, "data.channels=3")
    assert colour.shape == (3, 6, 5)
    assert colour.train.images.is_contiguous()
    assert colour.test.images.is_contiguous()
    for channel in range(3):
        assert torch.equal(colour.train.images[:, channel], grey.train.images[:, 0])
        assert torch.equal(colour.test.images[:, channel], grey.test.images[:, 0])
    assert torch.equal(luma(torch.full((1, 3, 1, 1), 77, dtype=torch.uint8)).flatten(), torch.tensor([77]))


def test_grey_of_colour_is_601_luma() -> None:
    colour, grey = random_set(3), random_set(3, "data.channels=1")
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    exact = (colour.train.images * weights).sum(1, keepdim=True)
    assert grey.shape == (1, 6, 5)
    assert (grey.train.images - exact).abs().max() <= 0.51 / 255
    assert torch.equal(grey.train.labels, colour.train.labels)


REFUSED = {
    ("data.mean=[0.5]",): "data.mean and data.std must both be lists, or both null",
    ("data.std=[0.5]",): "data.mean and data.std must both be lists, or both null",
    ("data.mean=[0.5]", "data.std=[0]"): "data.std=[0] is refused: .* std above 0",
    ("data.mean=[0.5,0.5]", "data.std=[1]"): "data.std=[1] is refused: data.mean=[0.5, 0.5]; each accepts 2 numbers",
    ("data.mean=[0.5,0.5]", "data.std=[1,1]"): "data.mean=[0.5, 0.5] is refused: images of digits have 1 channel;",
    ("data.channels=3", "data.mean=[0.5]", "data.std=[1]"): "each accepts 3 numbers, one per channel",
    ("data.mean=grey", "data.std=[1]"): "data.mean=grey is refused: it accepts a list of numbers, one per channel,",
    ("data.channels=2",): "data.channels=2 is refused: it accepts 1 (grey) or 3 (colour) or null",
    ("+data.nonsense=1",): "data.nonsense: no such key",
    ("training.shift=-1",): "training.shift=-1 is refused: it accepts a whole number, at least 0",
    ("training.flip=1",): "training.flip=1 is refused: it accepts true or false",
}


@pytest.mark.parametrize("overrides", REFUSED, ids=" ".join)
def test_what_does_not_fit_the_images_is_refused_by_name(overrides: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        load(compose_job(["data=digits", *overrides]).data)
    for words in REFUSED[overrides].split(".*"):
        assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_loader_of_two_channels_is_accepted_but_not_converted() -> None:
    assert random_set(2).shape == (2, 6, 5)
    with pytest.raises(ConfigError, match=r"data.channels=3 is refused: digits has 2 channels"):
        random_set(2, "data.channels=3")


def test_what_a_loader_gives_must_fit_together() -> None:
    config = compose_job(["data=digits", "data.validation=1"]).data
    images, labels = torch.zeros(4, 3, 3, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
    whole = finish(config, (images, labels), (images, labels), ("a", "b"), "drawn")
    assert (whole.shape, len(whole.train)) == ((1, 3, 3), 3)
    for train, words in {
        (images.float(), labels): "expected uint8",
        (images, labels.int()): "expected uint8 .* and int64",
        (images, labels[:3]): "4 images and 3 labels",
        (images[:0], labels[:0]): "0 images and 0 labels",
        (images, labels + 1): "labels from 1 to 2 do not fit its 2 classes",
        (images[:, :2], labels): r"training images are \(1, 2, 3\), test images \(1, 3, 3\)",
    }.items():
        with pytest.raises(DataError, match=words):
            finish(config, train, (images, labels), ("a", "b"), "drawn")


def test_the_digest_is_of_the_raw_images_and_labels_alone() -> None:
    digest = random_set(3).digest
    assert len(digest) == 64
    for same in ("data.split_seed=1", "data.validation=3", "data.channels=1"):
        assert random_set(3, same).digest == digest
    assert random_set(1).digest != digest
    assert random_set(3, train=49).digest != digest
    assert content_digest(torch.zeros(2, 6)) != content_digest(torch.zeros(3, 4)), "the same numbers in another shape"


def test_a_data_set_moves_to_a_device_with_all_that_belongs_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "FLOAT_BYTES", 1)
    moved = random_set(3, "data.mean=[0,0,0]", "data.std=[1,2,4]").to(torch.device("cpu"))
    assert moved.normalisation is not None
    assert torch.equal(moved.train.take(5)[:, 2] * 4, random_set(3).train.take(5)[:, 2])
    split = Split(torch.zeros(2, 1, 1, 1, dtype=torch.uint8), torch.zeros(2))
    assert replace(split, white=16).to(torch.device("cpu")).white == 16
