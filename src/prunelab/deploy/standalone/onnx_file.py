"""Classify images with the ONNX model that lies beside this file. Needs onnxruntime and numpy; for pictures Pillow.

    python THIS_FILE picture.png images.npy ...

An .npy file holds one image or several: [rows, columns], [n, rows, columns] or [n, channels, rows, columns], as uint8
from 0 to 255 or as floats from 0 to 1. From Python: Model().probabilities(pixels).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FILE = Path(__file__).with_suffix("")
"""The model: this file's name without .py."""


class Model:
    """An exported network: `classes` are their names, `shape` is (channels, rows, columns) of an image."""

    def __init__(self, file: Path = FILE) -> None:
        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map
        self.classes: list[str] = json.loads(about["classes"])
        self.shape: tuple[int, ...] = tuple(json.loads(about["shape"]))
        self.normalisation: dict[str, list[float]] | None = json.loads(about["normalisation"])

    def prepare(self, pixels: Any) -> Any:
        """Pixels as the network takes them: float32 [n, channels, rows, columns], scaled to [0, 1] and normalised."""
        pixels = np.asarray(pixels)
        if pixels.dtype != np.uint8 and not np.issubdtype(pixels.dtype, np.floating):
            raise ValueError(f"pixels are uint8 from 0 to 255 or floats from 0 to 1, not {pixels.dtype}")
        if pixels.ndim < 4 and self.shape[0] == 1:
            pixels = pixels.reshape(-1, 1, *pixels.shape[-2:])
        if pixels.ndim != 4 or pixels.shape[1:] != self.shape:
            raise ValueError(f"the network takes images of {self.shape}, not an array of {pixels.shape}")
        images = pixels.astype(np.float32) / (255 if pixels.dtype == np.uint8 else 1)
        if self.normalisation is not None:
            mean, std = (np.array(self.normalisation[key], np.float32)[:, None, None] for key in ("mean", "std"))
            images = (images - mean) / std
        return images.astype(np.float32)

    def logits(self, pixels: Any) -> Any:
        """float32 [n, classes]."""
        return self.session.run(["logits"], {"images": self.prepare(pixels)})[0]

    def probabilities(self, pixels: Any) -> Any:
        """Softmax of the logits: float32 [n, classes]."""
        logits = self.logits(pixels)
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        return exponentials / exponentials.sum(1, keepdims=True)


def read(path: Path, shape: tuple[int, ...]) -> Any:
    """The pixels of an .npy file, or of a picture: uint8 [1, channels, rows, columns], transparent as black."""
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
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
    return np.asarray(picture).reshape(1, rows, columns, channels).transpose(0, 3, 1, 2)


def main() -> None:
    """A line for each image: its likeliest classes and their probabilities; status 1 if one could not be read."""
    parser = argparse.ArgumentParser(description="Classify images with the ONNX model beside this file.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".npy, or a picture (needs Pillow)")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="so many classes, the likeliest first")
    parser.add_argument("--invert", action="store_true", help="the images are dark on light, the network's the reverse")
    arguments = parser.parse_args()
    model, failed = Model(), False
    for path in arguments.files:
        try:
            pixels = read(path, model.shape)
            pixels = (255 if pixels.dtype == np.uint8 else 1) - pixels if arguments.invert else pixels
            rows = model.probabilities(pixels)
        except (OSError, ValueError, ImportError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
            continue
        for number, row in enumerate(rows):
            name = f"{path}[{number}]" if len(rows) > 1 else str(path)
            best = sorted(range(len(row)), key=lambda index: -row[index])[: arguments.top]
            print(f"{name}: " + ", ".join(f"{model.classes[index]} {row[index]:.4f}" for index in best))
    sys.exit(failed)


if __name__ == "__main__":
    main()
