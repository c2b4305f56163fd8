"""Images from files, as a network takes them, and the classes that it sees in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from rich import box
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from prunelab.data.image_folder import SUFFIXES, is_picture
from prunelab.data.pictures import opened, read_picture
from prunelab.errors import DataError, ExportError, StoreError
from prunelab.network.saved import Card, card_of, read_network
from prunelab.runtime.onnx import OnnxNetwork

if TYPE_CHECKING:
    from prunelab.tracking.store import Store

AT_ONCE = 256
log = logging.getLogger(__name__)
STRETCH = 1.02
"""Largest ratio between the aspect ratios of an image and of the network's input; beyond it, resizing distorts."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The probability of every class in an image, most likely first; None if it could not be read: `error` says why."""

    path: Path
    probabilities: Mapping[str, float] | None
    error: str = ""


def network_of(opened_store: Callable[[], Store], wanted: str, trust: bool) -> tuple[nn.Module, Card]:
    """The network of an exported file, or of a recorded job; only then is the store opened.

    `trust`: import the code that the record names.

    Raises:
        StoreError: if there is none, or it is of a class that is not trusted.
        ExportError: for an ONNX file without the extra `onnx`, or that ONNX Runtime cannot run.
    """
    if wanted.endswith((".safetensors", ".onnx")):
        try:
            content = Path(wanted).read_bytes()
        except FileNotFoundError as error:
            raise StoreError(f"there is no file {wanted}: prunelab-export writes one, from a finished job") from error
        except OSError as error:
            raise StoreError(f"{wanted} cannot be read: {error.strerror or error}") from error
        return read_network(content, trust) if wanted.endswith(".safetensors") else _onnx_network(content, wanted)
    from prunelab.deploy.stored import stored_network  # imports mlflow, which files do without
    from prunelab.tracking.find import described, find_job

    store = opened_store()
    run = find_job(store, wanted)
    log.info(f"network: {described(run)}")
    return stored_network(store, run, trust)


def _onnx_network(content: bytes, name: str) -> tuple[nn.Module, Card]:
    network = OnnxNetwork(content)
    try:
        return network, card_of(network.metadata)
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{name} is not from prunelab-export: its metadata do not say what it takes") from error


def expanded(wanted: Sequence[str]) -> list[Path]:
    """Expand arguments to image files: files as they are, pictures of folders, and what patterns match, in order.

    Raises:
        ExportError: for a folder without pictures or a pattern that matches nothing.
    """
    found: list[Path] = []
    for each in wanted:
        path = Path(each)
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if is_picture(file.relative_to(path)))
            if not inside:
                raise ExportError(f"{path} is a folder without pictures ({' '.join(SUFFIXES)})")
        elif not path.exists() and set("*?[") & set(each):
            start = Path(path.anchor)
            inside = sorted(file for file in start.glob(str(path.relative_to(start))) if file.is_file())
            if not inside:
                raise ExportError(f"{each} matches no file")
        found += inside
    return list(dict.fromkeys(found))


@torch.no_grad()
def classify(network: nn.Module, card: Card, paths: Sequence[Path], invert: bool, crop: bool = False) -> Iterator[Seen]:
    """Classify each image, in order; an image that cannot be read is reported, and the others are still classified."""
    for start in range(0, len(paths), AT_ONCE):
        images: dict[Path, Tensor] = {}
        errors: dict[Path, str] = {}
        for path in paths[start : start + AT_ONCE]:
            try:
                images[path] = read_image(path, card, invert, crop)
            except ExportError as error:
                errors[path] = str(error)
        rows = network(torch.stack(list(images.values()))).softmax(1).tolist() if images else []
        seen = dict(zip(images, rows, strict=True))
        for path in paths[start : start + AT_ONCE]:
            if path in errors:
                yield Seen(path, None, errors[path])
            else:
                pairs = zip(card.classes, seen[path], strict=True)
                yield Seen(path, dict(sorted(pairs, key=lambda pair: -pair[1])))


def read_image(path: Path, card: Card, invert: bool = False, crop: bool = False) -> Tensor:
    """float32 [channels, rows, columns] as the network takes it: larger images reduced, transparent as background.

    With `crop` an image of any size is resized until it covers the network's size, and its middle is taken, as
    data=image_folder does.

    Raises:
        ExportError: if the file is not an image, or without `crop` smaller than the network's or of other proportions.
    """
    channels, rows, columns = card.shape
    background = "white" if invert else "black"
    if path.exists() and not path.is_file():
        raise ExportError(f"{path} cannot be read as an image: it is not a file")
    try:
        if crop:
            values = read_picture(path, card.shape, background)
        else:
            image = _reduced(opened(path.read_bytes(), path, channels, background), path, rows, columns)
            values = np.asarray(image).reshape(rows, columns, channels).transpose(2, 0, 1)
    except (OSError, DataError) as error:
        raise ExportError(f"{path} cannot be read as an image: {error}") from error
    pixels = torch.from_numpy(values.astype(np.float32) / 255)
    pixels = 1 - pixels if invert else pixels
    return pixels if card.normalisation is None else card.normalisation.apply_(pixels.unsqueeze(0)).squeeze(0)


def _reduced(image: Image.Image, path: Path, rows: int, columns: int) -> Image.Image:
    width, height = image.size
    stretch = (width / columns) / (height / rows)
    if width < columns or height < rows or not 1 / STRETCH <= stretch <= STRETCH:
        raise ExportError(
            f"{path} is {width}x{height}: the network takes {columns}x{rows}, or larger in the same proportions; "
            "--crop resizes any image and takes its middle"
        )
    return image if image.size == (columns, rows) else image.resize((columns, rows), Image.Resampling.BOX)


def as_table(seen: Sequence[Seen], top: int) -> Table:
    """A line for each image that could be read: its `top` most likely classes and their probabilities."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("image", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    if top > 1:
        table.add_column("then")
    for each in seen:
        if each.probabilities is not None:
            (name, probability), *others = list(each.probabilities.items())[:top]
            then = ", ".join(f"{other} {value:.4f}" for other, value in others)
            cells = [str(each.path), name, f"{probability:.4f}", *([then] if top > 1 else [])]
            table.add_row(*(Text(cell) for cell in cells))
    return table


def as_json(seen: Sequence[Seen], top: int) -> str:
    """A list with an object for each image: `image`, and `class` and its `top` `probabilities`, or `error`."""
    objects: list[dict[str, object]] = []
    for each in seen:
        if each.probabilities is None:
            objects.append({"image": str(each.path), "error": each.error})
        else:
            most_likely = dict(list(each.probabilities.items())[:top])
            objects.append({"image": str(each.path), "class": next(iter(most_likely)), "probabilities": most_likely})
    return json.dumps(objects, indent=2)
