"""What both scripts share: pictures and the command line. It is written into each of them in place of its import."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def read_picture(path: Path, shape: tuple[int, ...]) -> Any:
    """A picture file as a Pillow image in the network's size, grey or RGB, over black where it is transparent."""
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
    return picture if picture.size == (columns, rows) else picture.resize((columns, rows), Image.Resampling.BOX)


def command(load_model: Callable[[], Any]) -> None:
    """Print a line for each image: its most likely classes and their probabilities. Status 1 if one cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="images as an array, or a picture")
    parser.add_argument("--top", type=int, default=3, metavar="K", help="this many classes, the most likely first")
    parser.add_argument("--invert", action="store_true", help="invert images: dark on light, unlike the network's")
    arguments = parser.parse_args()
    model, failed = load_model(), False
    for path in arguments.files:
        try:
            pixels = model.read(path)
            rows = model.probabilities(model.white(pixels) - pixels if arguments.invert else pixels).tolist()
        except (OSError, ValueError, KeyError, ImportError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed = True
            continue
        for number, row in enumerate(rows):
            name = f"{path}[{number}]" if len(rows) > 1 else str(path)
            best = sorted(range(len(row)), key=lambda index: -row[index])[: arguments.top]
            print(f"{name}: " + ", ".join(f"{model.classes[index]} {row[index]:.4f}" for index in best))
    sys.exit(failed)
