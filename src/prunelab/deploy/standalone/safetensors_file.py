"""Classify images with the .safetensors file that lies beside this one. Needs torch, safetensors; Pillow for pictures.

    python THIS_FILE picture.png images.safetensors ...

Another .safetensors file holds a tensor `images`: [rows, columns], [n, rows, columns] or [n, channels, rows, columns],
as uint8 from 0 to 255 or as floats from 0 to 1. From Python: Model().probabilities(pixels).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

FILE = Path(__file__).with_suffix("")
"""The weights: this file's name without .py."""


# The network.
def network(w: dict[str, Tensor], images: Tensor) -> Tensor:
    """Logits [n, classes] of images [n, channels, rows, columns]."""
    raise NotImplementedError


# End of the network.


class Model:
    """An exported network: `classes` are their names, `shape` is (channels, rows, columns) of an image."""

    def __init__(self, file: Path = FILE) -> None:
        with safe_open(file, "pt") as opened:
            about = opened.metadata()
        self.weights = _dense(load_file(file), json.loads(about["sparse"]))
        self.classes: list[str] = json.loads(about["classes"])
        self.shape: tuple[int, ...] = tuple(json.loads(about["shape"]))
        self.normalisation: dict[str, list[float]] | None = json.loads(about["normalisation"])

    def prepare(self, pixels: Tensor) -> Tensor:
        """Pixels as the network takes them: float32 [n, channels, rows, columns], scaled to [0, 1] and normalised."""
        if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
            raise ValueError(f"pixels are uint8 from 0 to 255 or floats from 0 to 1, not {pixels.dtype}")
        if pixels.dim() < 4 and self.shape[0] == 1:
            pixels = pixels.reshape(-1, 1, *pixels.shape[-2:])
        if pixels.dim() != 4 or tuple(pixels.shape[1:]) != self.shape:
            raise ValueError(f"the network takes images of {self.shape}, not a tensor of {tuple(pixels.shape)}")
        images = pixels.float() / (255 if pixels.dtype == torch.uint8 else 1)
        if self.normalisation is not None:
            mean, std = (torch.tensor(self.normalisation[key])[:, None, None] for key in ("mean", "std"))
            images = (images - mean) / std
        return images

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        """float32 [n, classes]."""
        return network(self.weights, self.prepare(pixels))

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Softmax of the logits: float32 [n, classes]."""
        return self.logits(pixels).softmax(1)


def _dense(tensors: dict[str, Tensor], sparse: dict[str, list[int]]) -> dict[str, Tensor]:
    """All weights as they are used: those that are kept as compressed sparse rows of [out, in x kernel] filled up."""
    for name, shape in sparse.items():
        values, columns, rows = (tensors.pop(name + part) for part in (".values", ".columns", ".rows"))
        matrix = torch.zeros(shape).flatten(1)
        row_of = torch.repeat_interleave(torch.arange(len(matrix)), rows.diff())
        matrix[row_of, columns.long()] = values
        tensors[name] = matrix.reshape(shape)
    return tensors


def read(path: Path, shape: tuple[int, ...]) -> Tensor:
    """The tensor `images` of a file, or a picture: uint8 [1, channels, rows, columns], transparent as black."""
    if path.suffix == ".safetensors":
        return load_file(path)["images"]
    from PIL import Image, ImageOps

    channels, rows, columns = shape
    with Image.open(path) as opened:
        if opened.mode.startswith(("I", "F")):
            raise ValueError(f"pictures have 8 bits for each channel, not mode {opened.mode}")
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    width, height = picture.size
    if width < columns or height < rows or abs(width * rows / (height * columns) - 1) > 0.02:
        raise ValueError(f"it is {width}x{height}; the network takes {columns}x{rows}, or larger in these proportions")
    if picture.size != (columns, rows):
        picture = picture.resize((columns, rows), Image.Resampling.BOX)
    values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return values.reshape(1, rows, columns, channels).permute(0, 3, 1, 2)


def main() -> None:
    """A line for each image: its likeliest classes and their probabilities; status 1 if one could not be read."""
    parser = argparse.ArgumentParser(description="Classify images with the .safetensors file beside this one.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".safetensors, or a picture (needs Pillow)")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="so many classes, the likeliest first")
    parser.add_argument("--invert", action="store_true", help="the images are dark on light, the network's the reverse")
    arguments = parser.parse_args()
    model, failed = Model(), False
    for path in arguments.files:
        try:
            pixels = read(path, model.shape)
            pixels = (255 if pixels.dtype == torch.uint8 else 1) - pixels if arguments.invert else pixels
            rows = model.probabilities(pixels)
        except (OSError, ValueError, KeyError, ImportError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
            continue
        for number, row in enumerate(rows):
            name = f"{path}[{number}]" if len(rows) > 1 else str(path)
            values, indices = row.topk(min(arguments.top, len(row)))
            pairs = zip(indices.tolist(), values.tolist(), strict=True)
            print(f"{name}: " + ", ".join(f"{model.classes[index]} {value:.4f}" for index, value in pairs))
    sys.exit(failed)


if __name__ == "__main__":
    main()
