"""Classify images with the ONNX model next to this file. Needs onnxruntime and numpy, and Pillow for pictures.

    python THIS_FILE picture.png images.npy ...

An .npy file holds one image or several: [rows, columns], [n, rows, columns] or [n, channels, rows, columns], as uint8
from 0 to 255 or as floats from 0 to 1. From Python: Model().probabilities(pixels).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from prunelab.deploy.standalone.command import command, read_picture

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

    def read(self, path: Path) -> Any:
        """The array of an .npy file, or the pixels of a picture: uint8 [1, channels, rows, columns]."""
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        channels, rows, columns = self.shape
        picture = read_picture(path, self.shape)
        return np.asarray(picture).reshape(1, rows, columns, channels).transpose(0, 3, 1, 2)

    def white(self, pixels: Any) -> int:
        """The value of white in these pixels."""
        return 255 if pixels.dtype == np.uint8 else 1

    def prepare(self, pixels: Any) -> Any:
        """Pixels as the network takes them: float32 [n, channels, rows, columns], scaled to [0, 1] and normalised."""
        pixels = np.asarray(pixels)
        if pixels.dtype != np.uint8 and not np.issubdtype(pixels.dtype, np.floating):
            raise ValueError(f"pixels are uint8 from 0 to 255 or floats from 0 to 1, not {pixels.dtype}")
        if pixels.ndim < 4 and self.shape[0] == 1:
            pixels = pixels.reshape(-1, 1, *pixels.shape[-2:])
        if pixels.ndim != 4 or pixels.shape[1:] != self.shape:
            raise ValueError(f"the network takes images of {self.shape}, not an array of {pixels.shape}")
        images = pixels.astype(np.float32) / self.white(pixels)
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


if __name__ == "__main__":
    command(Model)
