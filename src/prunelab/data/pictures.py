"""Read picture files of every mode, depth and orientation that Pillow supports, as grey or colour arrays."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from prunelab.errors import DataError

MODES = {1: "L", 3: "RGB"}
"""Pillow's mode for each number of channels; its grey is ITU-R BT.601 luma."""


def read_picture(path: Path, shape: tuple[int, int, int], background: str = "black") -> NDArray[np.uint8]:
    """A file as uint8 [channels, rows, columns], resized to cover `shape` and cropped around its centre.

    Raises:
        DataError: if it cannot be read as a picture.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    return decoded(content, path, shape, background)


def decoded(content: bytes, path: Path, shape: tuple[int, int, int], background: str = "black") -> NDArray[np.uint8]:
    """As `read_picture`, from the file's content; `path` is named in error messages."""
    channels, rows, columns = shape
    picture = opened(content, path, channels, background, at_least=2 * max(rows, columns))
    if picture.size != (columns, rows):
        picture = ImageOps.fit(picture, (columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(rows, columns, channels).transpose(2, 0, 1)


def opened(
    content: bytes, path: Path, channels: int, background: str = "black", at_least: int | None = None
) -> Image.Image:
    """A picture in its own size, with 8 bits and 1 or 3 channels, upright, transparency blended with `background`.

    `at_least`: a JPEG may be decoded at a reduced size, which is faster, with at least this many pixels per side.

    Raises:
        DataError: if it cannot be read as a picture.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            return _in_mode(ImageOps.exif_transpose(image), MODES[channels], background)
    except Exception as error:  # each of Pillow's decoders raises its own errors
        raise DataError(f"{path} cannot be read as a picture: {_reason(error)}") from error


def _in_mode(image: Image.Image, mode: str, background: str) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):  # 16 bits: Pillow would clip instead of scaling
        image = _of_values(np.asarray(image, dtype=np.float64) / 257)
    elif image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        image = _of_values(values * 255 if values.max(initial=0) <= 1 else values)
    if "A" in image.getbands() or "transparency" in image.info:
        whole = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", whole.size, background), whole)
    return image.convert(mode)


def _of_values(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "unknown image format"
    return " ".join(str(error).split()) or type(error).__name__
