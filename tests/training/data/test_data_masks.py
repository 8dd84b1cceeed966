"""Class numbers come back as they were saved, or not at all."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from interp.images import ImageError, Limits
from interp.training.data import open_mask

NUMBERS = np.array([[0, 1, 2, 30], [7, 11, 200, 255]], np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(path, rows, width, depth):
    header = struct.pack(">IIBBBBB", width, len(rows), depth, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_grey_and_palette_are_numbers(tmp_path, suffix, mode):
    image = Image.fromarray(NUMBERS)
    if mode == "P":
        image.putpalette(list(range(255, -1, -1)) * 3)
    path = tmp_path / f"mask.{suffix}"
    image.save(path)
    found = open_mask(path)
    assert found.dtype == np.uint8
    assert found.tolist() == NUMBERS.tolist()


@pytest.mark.parametrize(("depth", "row"), [(2, [0b00011011]), (4, [0x01, 0x23])])
def test_few_bits_are_not_spread_to_white(tmp_path, depth, row):
    path = grey_png(tmp_path / "m.png", [bytes(row)], 4, depth)
    assert np.asarray(Image.open(path)).max() > 3  # what Pillow makes of it
    assert open_mask(path).tolist() == [[0, 1, 2, 3]]


def test_one_bit_and_sixteen_bits(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "1.png")
    assert open_mask(tmp_path / "1.png").tolist() == [[1, 0]]
    for suffix in ("png", "tif"):
        path = tmp_path / f"16.{suffix}"
        Image.fromarray(np.array([[0, 255]], np.uint16)).save(path)
        assert open_mask(path).tolist() == [[0, 255]]
        Image.fromarray(np.array([[0, 256]], np.uint16)).save(path)
        with pytest.raises(ImageError, match="has the number 256; class numbers go from 0 to 255"):
            open_mask(path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colours_are_no_numbers(tmp_path, mode):
    Image.new(mode, (3, 2)).save(tmp_path / "m.png")
    with pytest.raises(ImageError, match=rf"has colours \({mode}\), not class numbers"):
        open_mask(tmp_path / "m.png")


def test_files_that_are_no_masks(tmp_path):
    whole = tmp_path / "m.png"
    chance = np.random.default_rng(0)
    Image.fromarray(chance.integers(0, 9, (50, 50), dtype=np.uint8)).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:-400])
    for suffix in ("jpg", "gif"):
        Image.new("L", (4, 4)).save(tmp_path / f"m.{suffix}")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    for name, sentence in (
        ("cut.png", "may be damaged or cut off"),
        ("m.jpg", "is a JPEG, which does not keep class numbers"),
        ("m.gif", "is a GIF, which does not keep class numbers"),
        ("empty.png", "is empty"),
        ("text.png", "seems to be text"),
        ("none.png", "does not exist"),
    ):
        with pytest.raises(ImageError, match=sentence):
            open_mask(tmp_path / name)
    with pytest.raises(ImageError, match="50 x 50 pixels, more than the 100 allowed"):
        open_mask(whole, limits=Limits(pixels=100))
