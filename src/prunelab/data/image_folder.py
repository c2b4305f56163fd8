"""Your own images as a data set: one folder of pictures per class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunelab.config import Count, Data
from prunelab.data.dataset import Dataset, options_of
from prunelab.data.dataset import Options as NoOptions
from prunelab.data.finish import finish
from prunelab.data.pictures import decoded
from prunelab.errors import ConfigError, DataError

SUFFIXES = (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Suffixes of picture files; other files are ignored."""
EXPECTED = "it accepts a folder with one folder of pictures per class, or with train/ and test/ made of those"
NAMED = 5
"""How many unreadable pictures an error message lists."""


class Options(NoOptions):
    """`size`: rows and columns of the images; `test`: the share of test pictures if there is no folder test/."""

    size: Annotated[tuple[Count, Count], Field(description="two whole numbers, at least 1: rows and columns")]
    test: Annotated[float, Field(strict=True, gt=0, lt=1, description="a number above 0 and below 1")]


@dataclass(frozen=True, slots=True)
class _Picture:
    path: Path
    label: int


def load(config: Data) -> Dataset:
    """The pictures below `config.folder`, in the order of their names.

    Without a folder test/, the same share of each class is drawn with `config.split_seed` as the test set.

    Raises:
        ConfigError: if there are too few pictures for `data.test` and `data.validation`.
        DataError: if the folder has another structure, or pictures cannot be read (all are reported in one message).
    """
    options = options_of(config, Options)
    folder = config.folder.expanduser()
    try:
        classes, train, test = _listed(folder)
    except OSError as error:
        raise DataError(f"data.folder={folder} cannot be read: {error}") from error
    listed = [*train, *test]
    if not test:
        train, test = _drawn(train, options.test, config.split_seed)
        if not test:
            raise ConfigError(
                f"data.test={options.test:g} is refused: none of the {len(listed)} pictures in {folder} would be "
                "left for testing; it accepts a larger number, below 1"
            )
    images, sums = _read([*train, *test], (config.channels or 3, *options.size))
    labels = torch.tensor([picture.label for picture in (*train, *test)])
    whole = hashlib.sha256("\n".join(classes).encode())
    for picture in listed:
        whole.update(f"\n{picture.label} {sums[picture]}".encode())
    return finish(
        config,
        train=(images[: len(train)], labels[: len(train)]),
        test=(images[len(train) :], labels[len(train) :]),
        classes=classes,
        source=str(folder),
        digest=whole.hexdigest(),
    )


def _listed(folder: Path) -> tuple[tuple[str, ...], list[_Picture], list[_Picture]]:
    """The names of the classes, the training pictures, and the test pictures (none if there is no folder test/)."""
    if not folder.is_dir():
        raise DataError(f"data.folder={folder} is refused: there is no such folder; {EXPECTED}")
    found = _folders(folder)
    if "train" not in found or not _folders(found["train"]):
        classes = tuple(found)
        return classes, _pictures(folder, classes), []
    if others := sorted(found.keys() - {"train", "test"}):
        raise DataError(f"data.folder={folder} is refused: besides train/ it has {', '.join(others)}; {EXPECTED}")
    classes = tuple(_folders(found["train"]))
    train = _pictures(found["train"], classes)
    if "test" not in found:
        return classes, train, []
    if unknown := [name for name in _folders(found["test"]) if name not in classes]:
        raise DataError(f"data.folder={folder} is refused: test/ has classes that train/ has not: {', '.join(unknown)}")
    return classes, train, _pictures(found["test"], classes)


def _pictures(folder: Path, classes: Sequence[str]) -> list[_Picture]:
    """The pictures of all classes, class by class, in the order of their names."""
    if len(classes) < 2:
        which = f"a folder of only one class, {classes[0]}" if classes else "no folders of pictures"
        raise DataError(f"data.folder={folder} is refused: it has {which}; {EXPECTED}, at least two")
    listed = []
    empty = []
    for label, name in enumerate(classes):
        inside = sorted(
            (path for path in (folder / name).rglob("*") if is_picture(path.relative_to(folder))),
            key=lambda path: path.relative_to(folder).as_posix(),
        )
        listed += [_Picture(path, label) for path in inside]
        if not inside:
            empty.append(f"{name}/")
    if empty:
        raise DataError(
            f"data.folder={folder} is refused: there are no pictures in {', '.join(empty)}; "
            f"pictures are files named {' '.join(SUFFIXES)}"
        )
    return listed


def _folders(folder: Path) -> dict[str, Path]:
    """The folders in a folder, by name, sorted and without hidden ones."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def is_picture(path: Path) -> bool:
    """Whether a path, relative to the data folder, is a picture and not hidden."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _drawn(listed: list[_Picture], share: float, seed: int) -> tuple[list[_Picture], list[_Picture]]:
    """Split into (train, test): a share of each class, rounded, is drawn for test; at least one picture is kept."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.tensor([picture.label for picture in listed])
    tests = torch.zeros(len(listed), dtype=torch.bool)
    for positions in (labels.eq(label).nonzero().flatten() for label in range(1 + int(labels.max()))):
        count = min(round(share * len(positions)), len(positions) - 1)
        tests[positions[torch.randperm(len(positions), generator=random)[:count]]] = True
    return (
        [picture for picture, is_test in zip(listed, tests.tolist(), strict=True) if not is_test],
        [picture for picture, is_test in zip(listed, tests.tolist(), strict=True) if is_test],
    )


def _read(pictures: Sequence[_Picture], shape: tuple[int, int, int]) -> tuple[Tensor, dict[_Picture, str]]:
    """The pictures as uint8 [n, channels, rows, columns], decoded in parallel threads, and the SHA-256 of each file."""
    images = torch.empty((len(pictures), *shape), dtype=torch.uint8)

    def read(position: int) -> str | DataError:
        path = pictures[position].path
        try:
            content = path.read_bytes()
            images[position] = torch.from_numpy(decoded(content, path, shape).copy())
        except OSError as error:
            return DataError(f"{path} cannot be read: {error.strerror or error}")
        except DataError as error:
            return error
        return hashlib.sha256(content).hexdigest()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(read, range(len(pictures))))
    failed = sorted(str(result) for result in results if isinstance(result, DataError))
    if failed:
        more = f"\n  and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        raise DataError(
            f"{len(failed)} of {len(pictures)} pictures cannot be read; fix or remove them:\n"
            + "\n".join(f"  {error}" for error in failed[:NAMED])
            + more
        )
    return images, {picture: str(result) for picture, result in zip(pictures, results, strict=True)}
