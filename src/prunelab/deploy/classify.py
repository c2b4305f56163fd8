"""Images from files, as a network takes them, and the classes that it sees in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from torch import Tensor, nn

from prunelab import names
from prunelab.config import Job
from prunelab.errors import ExportError, StoreError
from prunelab.network.saved import Card, read_network
from prunelab.tracking.existing import existing_store
from prunelab.tracking.find import find_job

STRETCH = 1.02
"""How far the sides of an image may be from the network's proportions before it would be distorted."""


def stored_network(job: Job, wanted: str) -> tuple[nn.Module, Card]:
    """The network of an exported file, or of a recorded job in the store that `job` says.

    Raises:
        StoreError: if there is none.
    """
    if wanted.endswith(".safetensors"):
        try:
            return read_network(Path(wanted).read_bytes())
        except OSError as error:
            raise StoreError(f"{wanted} cannot be read: {error}") from error
    store = existing_store(job.tracking, job.experiment_name)
    return read_network(store.read(find_job(store, wanted).info.run_id, names.NETWORK_FILE))


@torch.no_grad()
def classify(network: nn.Module, card: Card, paths: Sequence[Path], invert: bool) -> dict[Path, dict[str, float]]:
    """For each image, the probability of every class.

    Raises:
        ExportError: for the first image that is none, or that the network cannot take.
    """
    images = torch.stack([read_image(path, card.shape, invert) for path in paths])
    probabilities = network(images).softmax(1)
    return {
        path: dict(zip(card.classes, row.tolist(), strict=True)) for path, row in zip(paths, probabilities, strict=True)
    }


def read_image(path: Path, shape: tuple[int, int], invert: bool = False) -> Tensor:
    """float32 [rows x columns] in [0, 1]: grey, transparent as background, larger images reduced.

    Raises:
        ExportError: if the file is no image, smaller than `shape`, or of other proportions.
    """
    rows, columns = shape
    try:
        with Image.open(path) as image:
            grey = _grey(image, background="white" if invert else "black")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ExportError(f"{path} cannot be read as an image: {error}") from error
    width, height = grey.size
    stretch = (width / columns) / (height / rows)
    if width < columns or height < rows or not 1 / STRETCH <= stretch <= STRETCH:
        raise ExportError(
            f"{path} is {width}x{height}: the network takes {columns}x{rows}, or larger in the same proportions"
        )
    if grey.size != (columns, rows):
        grey = grey.resize((columns, rows), Image.Resampling.BOX)
    pixels = np.asarray(grey, dtype=np.float32) / 255
    return torch.from_numpy((1 - pixels if invert else pixels).reshape(-1).copy())


def print_classes(found: Mapping[Path, Mapping[str, float]], top: int) -> None:
    """A line for each image: its likeliest classes and their probabilities."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for path, probabilities in found.items():
        best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:top]
        console.print(f"{path}: " + ", ".join(f"{name} {probability:.4f}" for name, probability in best))


def _grey(image: Image.Image, background: str) -> Image.Image:
    """8 bits a pixel, from any mode."""
    if image.mode.startswith("I;16") or image.mode == "I":  # 16 bits, which Pillow would clip
        values = np.asarray(image, dtype=np.float64) / 257
        return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        whole = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", whole.size, background), whole)
    return image.convert("L")
