"""Images from files, as a network takes them, and the classes that it sees in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor, nn

from prunelab import names
from prunelab.config import Job
from prunelab.data.pictures import opened, read_picture
from prunelab.errors import DataError, ExportError, StoreError
from prunelab.network.saved import Card, read_network
from prunelab.tracking.existing import existing_store
from prunelab.tracking.find import find_job

STRETCH = 1.02
"""How far the sides of an image may be from the network's proportions before it would be distorted."""


def stored_network(job: Job, wanted: str, trust: bool) -> tuple[nn.Module, Card]:
    """The network of an exported file, or of a recorded job in the store that `job` says. `trust` its code?

    Raises:
        StoreError: if there is none.
    """
    if wanted.endswith(".safetensors"):
        try:
            return read_network(Path(wanted).read_bytes(), trust)
        except OSError as error:
            raise StoreError(f"{wanted} cannot be read: {error}") from error
    store = existing_store(job.tracking, job.experiment_name)
    return read_network(store.read(find_job(store, wanted).info.run_id, names.NETWORK_FILE), trust)


@torch.no_grad()
def classify(
    network: nn.Module, card: Card, paths: Sequence[Path], invert: bool, crop: bool = False
) -> dict[Path, dict[str, float]]:
    """For each image, the probability of every class.

    Raises:
        ExportError: for the first image that is none, or that the network cannot take.
    """
    images = torch.stack([read_image(path, card, invert, crop) for path in paths])
    probabilities = network(images).softmax(1)
    return {
        path: dict(zip(card.classes, row.tolist(), strict=True)) for path, row in zip(paths, probabilities, strict=True)
    }


def read_image(path: Path, card: Card, invert: bool = False, crop: bool = False) -> Tensor:
    """float32 [channels, rows, columns] as the network takes it: larger images reduced, transparent as background.

    With `crop` an image of any size is resized until it covers the network's and its middle taken, as data=image_folder
    does.

    Raises:
        ExportError: if the file is no image, or without `crop` smaller than the network's or of other proportions.
    """
    channels, rows, columns = card.shape
    background = "white" if invert else "black"
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


def print_classes(found: Mapping[Path, Mapping[str, float]], top: int) -> None:
    """A line for each image: its likeliest classes and their probabilities."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for path, probabilities in found.items():
        best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:top]
        console.print(f"{path}: " + ", ".join(f"{name} {probability:.4f}" for name, probability in best))
