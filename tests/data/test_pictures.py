"""Pictures of every mode, size and orientation become the array that a person would expect."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunelab.data.pictures import opened, read_picture
from prunelab.errors import DataError

RED, GREY = (200, 40, 10), 90


def of(mode: str) -> Image.Image:
    """A picture of 4 x 4 pixels, all of one colour, in a mode."""
    if mode == "I;16":
        return Image.fromarray(np.full((4, 4), GREY * 257, dtype=np.uint16))
    if mode == "I":
        return Image.fromarray(np.full((4, 4), GREY * 257, dtype=np.int32))
    if mode == "F":
        return Image.fromarray(np.full((4, 4), GREY / 255, dtype=np.float32))
    if mode == "1":
        return Image.new("1", (4, 4), 1)
    if mode in ("L", "LA"):
        return Image.new("L", (4, 4), GREY).convert(mode)
    colour = Image.new("RGB", (4, 4), RED)
    return colour.quantize(4) if mode == "P" else colour.convert(mode)


MODES = {
    **{f"{mode}.png": (GREY,) * 3 for mode in ("L", "LA", "I;16")},
    **{f"{mode}.tif": (GREY,) * 3 for mode in ("I", "F", "I;16")},
    **{f"{mode}.png": RED for mode in ("P", "RGB", "RGBA")},
    **{f"{mode}.tif": RED for mode in ("CMYK", "RGB")},
    **{f"{mode}.jpg": RED for mode in ("CMYK", "YCbCr", "RGB")},
    **{"RGB.webp": RED, "RGB.bmp": RED, "P.gif": RED, "1.png": (255,) * 3, "1.tif": (255,) * 3},
}


@pytest.mark.parametrize("name", MODES)
def test_a_picture_of_any_mode_has_its_colour(name: str, tmp_path: Path) -> None:
    mode, _, suffix = name.rpartition(".")
    path = tmp_path / f"picture.{suffix}"
    of(mode).save(path, **({"quality": 100} if suffix in ("jpg", "webp") else {}))
    colour = read_picture(path, (3, 4, 4))
    assert (colour.shape, colour.dtype) == ((3, 4, 4), np.uint8)
    lossy = 6 if suffix in ("jpg", "webp") else 0
    assert np.abs(colour.transpose(1, 2, 0).astype(int) - MODES[name]).max() <= lossy
    red, green, blue = MODES[name]
    grey = read_picture(path, (1, 4, 4))
    assert grey.shape == (1, 4, 4)
    assert np.abs(grey.astype(int) - (0.299 * red + 0.587 * green + 0.114 * blue)).max() <= 1 + lossy


@pytest.mark.parametrize("mode", ["RGBA", "LA", "LA.tif", "P", "RGB", "L"])
def test_what_is_transparent_shows_a_black_background_or_another(mode: str, tmp_path: Path) -> None:
    mode, _, suffix = mode.partition(".")
    path = tmp_path / f"picture.{suffix or 'png'}"
    if mode in ("RGBA", "LA"):
        clear = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
        clear.putpixel((0, 0), (255, 255, 255, 128))
        clear.convert(mode).save(path)
        half = 128
    else:  # a colour that stands for transparency
        clear = Image.new("RGB", (4, 4), "white").convert(mode)
        clear.putpixel((0, 0), {"RGB": (255, 255, 254), "L": 254, "P": 7}[mode])
        clear.save(path, transparency=clear.getpixel((1, 1)))
        half = None
    black = read_picture(path, (1, 4, 4))[0]
    assert (black[1:] == 0).all()
    assert half is None or abs(int(black[0, 0]) - half) <= 1
    assert (read_picture(path, (1, 4, 4), background="white")[0][1:] == 255).all()


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    values = np.array([[0, 257, 65535], [128 * 257, 300, 60000]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert np.array_equal(read_picture(tmp_path / "deep.png", (1, 2, 3))[0], np.rint(values / 257))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_exif_data_say(orientation: int, tmp_path: Path) -> None:
    upright = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    stored = {  # what a camera held in that way writes
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "turned.png", (1, 3, 4))[0], upright)


def test_a_picture_of_the_right_size_is_not_resampled(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "exact.png")
    assert np.array_equal(read_picture(tmp_path / "exact.png", (3, 5, 7)), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90), (9, 3), (3, 9)])
def test_a_picture_of_other_proportions_covers_the_image_and_is_cropped_around_its_centre(
    width: int, height: int, tmp_path: Path
) -> None:
    picture = Image.new("L", (width, height), 0)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    picture.paste(200, (left, top, left + side, top + side))
    picture.save(tmp_path / "wide.png")
    image = read_picture(tmp_path / "wide.png", (1, 6, 6))[0]
    assert (image[1:-1, 1:-1] == 200).all()
    assert image.min() > 100, "no more than a share of the neighbours, as in any smooth resizing"


def test_a_large_photograph_is_decoded_at_a_fraction_and_looks_the_same(tmp_path: Path) -> None:
    gradient = np.linspace(0, 255, 3000)[None, :].repeat(2000, 0)
    Image.fromarray(np.stack([gradient, gradient[::-1], 255 - gradient], 2).astype(np.uint8)).save(tmp_path / "big.jpg")
    whole = opened((tmp_path / "big.jpg").read_bytes(), tmp_path, 3)
    part = opened((tmp_path / "big.jpg").read_bytes(), tmp_path, 3, at_least=64)
    assert whole.size == (3000, 2000)
    assert 64 <= min(part.size) < 600
    start = time.perf_counter()
    small = read_picture(tmp_path / "big.jpg", (3, 32, 32)).astype(int)
    assert time.perf_counter() - start < 1
    expected = np.asarray(whole.resize((32, 32), box=(500, 0, 2500, 2000), resample=Image.Resampling.BOX))
    assert np.abs(small - expected.transpose(2, 0, 1)).max() <= 4


def test_a_photograph_is_not_decoded_at_less_than_the_image_needs(tmp_path: Path) -> None:
    stripes = np.tile(np.repeat([0, 255], 4).astype(np.uint8), (400, 50))
    Image.fromarray(stripes).save(tmp_path / "stripes.jpg", quality=95)
    image = read_picture(tmp_path / "stripes.jpg", (1, 100, 100))[0].astype(int)
    assert np.abs(np.diff(image, axis=1)).mean() > 100


def test_a_picture_that_claims_to_be_enormous_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("L", (1, 1)).save(path)
    content = path.read_bytes()
    head = b"IHDR" + struct.pack(">II", 60000, 60000) + content[24:29]
    path.write_bytes(content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:])
    with pytest.raises(DataError, match=r"bomb.png cannot be read as a picture: Image size"):
        read_picture(path, (1, 4, 4))


def test_what_is_no_picture_is_refused_by_name_and_reason(tmp_path: Path) -> None:
    text, cut, empty = tmp_path / "text.png", tmp_path / "cut.png", tmp_path / "empty.jpg"
    text.write_text("no picture")
    empty.write_bytes(b"")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:-900])
    for path, words in {
        text: "cannot be read as a picture: unknown image format",
        cut: "cannot be read as a picture: ",
        empty: "cannot be read as a picture: unknown image format",
        tmp_path / "missing.png": "cannot be read: No such file",
    }.items():
        with pytest.raises(DataError) as refused:
            read_picture(path, (1, 4, 4))
        assert str(refused.value).startswith(f"{path} {words}")
