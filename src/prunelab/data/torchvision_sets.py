"""Data sets from torchvision: MNIST, KMNIST, CIFAR-10, CIFAR-100, SVHN."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from scipy.io import loadmat
from torch import Tensor
from torchvision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, SVHN

from prunelab.config import Data
from prunelab.data.dataset import Dataset, options_of
from prunelab.data.dataset import Options as NoOptions
from prunelab.data.finish import Raw, finish
from prunelab.data.published import Download, File, Published, obtain
from prunelab.errors import DataError


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the files of a data set are published, and how they are read as (train, test, classes)."""

    torchvision: Any
    published: Callable[[Any], Published]
    read: Callable[[Any, Path], tuple[Raw, Raw, tuple[str, ...]]]


def load(config: Data) -> Dataset:
    """The published training images, split into train and validation, and the published test images.

    Raises:
        DataError: if the files cannot be obtained, or their content is unexpected.
    """
    name = options_of(config, Options).dataset
    kind = KINDS[name]
    obtain(config.folder, kind.published(kind.torchvision))
    train, test, classes = kind.read(kind.torchvision, config.folder)
    return finish(config, train, test, classes, source=name)


def _published_mnist(kind: Any) -> Published:
    downloads = tuple(
        Download(File(f"{kind.__name__}/raw/{name}", md5), tuple(f"{mirror}{name}" for mirror in kind.mirrors))
        for name, md5 in kind.resources
    )
    return Published(kind.__name__, tuple(download.file for download in downloads), downloads)


def _read_mnist(kind: Any, folder: Path) -> tuple[Raw, Raw, tuple[str, ...]]:
    """Read the gzip files, because the published sums are of these and not of the decompressed ones."""
    train_images, train_labels, test_images, test_labels = (
        _idx(folder / file.path) for file in _published_mnist(kind).files
    )
    return (train_images, train_labels.long()), (test_images, test_labels.long()), tuple(kind.classes)


def _idx(path: Path) -> Tensor:
    """The array of an IDX file: uint8, of the shape in its header."""
    with gzip.open(path) as file:
        content = bytearray(file.read())
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4).tolist()
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * dimensions).view(shape)


def _published_cifar(kind: Any) -> Published:
    listed = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
    files = tuple(File(f"{kind.base_folder}/{name}", md5) for name, md5 in listed)
    return Published(kind.__name__, files, (Download(File(kind.filename, kind.tgz_md5), (kind.url,)),))


def _read_cifar(kind: Any, folder: Path) -> tuple[Raw, Raw, tuple[str, ...]]:
    place = folder / kind.base_folder

    def raw(names: list[str]) -> Raw:
        entries = [_unpickled(place / name) for name in names]
        images = torch.from_numpy(np.concatenate([entry["data"] for entry in entries])).view(-1, 3, 32, 32)
        labels = [label for entry in entries for label in entry["labels" if "labels" in entry else "fine_labels"]]
        return images, torch.tensor(labels)

    classes = _unpickled(place / kind.meta["filename"])[kind.meta["key"]]
    return raw([name for name, _ in kind.train_list]), raw([name for name, _ in kind.test_list]), tuple(classes)


ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}
"""The names that the pickle of an array refers to."""


class _ArraysOnly(pickle.Unpickler):
    """Accepts NumPy arrays and nothing else, so that no file can execute code, even with the right MD5."""

    def find_class(self, module: str, name: str) -> Any:
        """The object that a pickle names, if arrays need it."""
        try:
            return ARRAYS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            entry: dict[str, Any] = _ArraysOnly(file, encoding="latin1").load()
            return entry
    except pickle.UnpicklingError as error:
        raise DataError(f"{path} is not read, it holds more than arrays: {error}") from error


def _published_svhn(kind: Any) -> Published:
    downloads = tuple(
        Download(File(name, md5), (url,)) for url, name, md5 in (kind.split_list[split] for split in ("train", "test"))
    )
    return Published(kind.__name__, tuple(download.file for download in downloads), downloads)


def _read_svhn(kind: Any, folder: Path) -> tuple[Raw, Raw, tuple[str, ...]]:
    def raw(name: str) -> Raw:
        content = loadmat(folder / name, appendmat=False, variable_names=["X", "y"])
        images = torch.from_numpy(content["X"]).permute(3, 2, 0, 1).contiguous()
        labels = torch.from_numpy(content["y"].astype(np.int64)).flatten()
        return images, labels.remainder_(10)  # the digit 0 has the label 10

    train, test = (raw(file.path) for file in _published_svhn(kind).files)
    return train, test, tuple(str(digit) for digit in range(10))


KINDS = {
    "torchvision.datasets.MNIST": _Kind(MNIST, _published_mnist, _read_mnist),
    "torchvision.datasets.KMNIST": _Kind(KMNIST, _published_mnist, _read_mnist),
    "torchvision.datasets.CIFAR10": _Kind(CIFAR10, _published_cifar, _read_cifar),
    "torchvision.datasets.CIFAR100": _Kind(CIFAR100, _published_cifar, _read_cifar),
    "torchvision.datasets.SVHN": _Kind(SVHN, _published_svhn, _read_svhn),
}


class Options(NoOptions):
    """`dataset`: the dotted path of torchvision's class."""

    dataset: Annotated[str, Field(pattern=f"^({'|'.join(KINDS)})$", description=" or ".join(KINDS))]
