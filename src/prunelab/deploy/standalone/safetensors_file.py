"""Classify images with the .safetensors file next to this one. Needs torch and safetensors, and Pillow for pictures.

    python THIS_FILE picture.png images.safetensors ...

Another .safetensors file holds a tensor `images`: [rows, columns], [n, rows, columns] or [n, channels, rows, columns],
as uint8 from 0 to 255 or as floats from 0 to 1. From Python: Model().probabilities(pixels).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from prunelab.deploy.standalone.command import command, read_picture

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

    def read(self, path: Path) -> Tensor:
        """The tensor `images` of a file, or the pixels of a picture: uint8 [1, channels, rows, columns]."""
        if path.suffix == ".safetensors":
            return load_file(path)["images"]
        channels, rows, columns = self.shape
        pixels = torch.frombuffer(bytearray(read_picture(path, self.shape).tobytes()), dtype=torch.uint8)
        return pixels.reshape(1, rows, columns, channels).permute(0, 3, 1, 2)

    def white(self, pixels: Tensor) -> int:
        """The value of white in these pixels."""
        return 255 if pixels.dtype == torch.uint8 else 1

    def prepare(self, pixels: Tensor) -> Tensor:
        """Pixels as the network takes them: float32 [n, channels, rows, columns], scaled to [0, 1] and normalised."""
        if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
            raise ValueError(f"pixels are uint8 from 0 to 255 or floats from 0 to 1, not {pixels.dtype}")
        if pixels.dim() < 4 and self.shape[0] == 1:
            pixels = pixels.reshape(-1, 1, *pixels.shape[-2:])
        if pixels.dim() != 4 or tuple(pixels.shape[1:]) != self.shape:
            raise ValueError(f"the network takes images of {self.shape}, not a tensor of {tuple(pixels.shape)}")
        images = pixels.float() / self.white(pixels)
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
    """The weights as they are used: those stored as compressed sparse rows of [out, in x kernel] made dense."""
    for name, shape in sparse.items():
        values, columns, rows = (tensors.pop(name + part) for part in (".values", ".columns", ".rows"))
        matrix = torch.zeros(shape).flatten(1)
        row_of = torch.repeat_interleave(torch.arange(len(matrix)), rows.diff())
        matrix[row_of, columns.long()] = values
        tensors[name] = matrix.reshape(shape)
    return tensors


if __name__ == "__main__":
    command(Model)
