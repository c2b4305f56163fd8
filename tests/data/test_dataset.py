"""Splits share no image, depend on their seed alone, and batches cover the training images once an epoch."""

from __future__ import annotations

import torch

from prunelab.compose import compose_job
from prunelab.data.dataset import Dataset, held_out, load
from prunelab.training.batches import DataModule


def digits(**changes: int) -> Dataset:
    return load(compose_job(["data=digits"]).data.model_copy(update=changes))


def test_the_digits_are_split_without_overlap() -> None:
    dataset = digits()
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (1257, 180, 360)
    assert dataset.train.images.dtype == torch.float32
    assert dataset.train.images.min() == 0
    assert dataset.train.images.max() == 1


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
