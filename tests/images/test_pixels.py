"""Every depth, mode and orientation comes out as the RGB that a person would see."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from interp.images import ImageError, open_image
from interp.images.pixels import scale_to_bytes

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int = 13, width: int = 17, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# What the camera stores for each orientation, as a function of the upright picture.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_is_upright_and_stays_so(kind, orientation):
    upright = noise()
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    image = open_image(encode(stored, kind, exif=exif, **options))
    np.testing.assert_array_equal(np.asarray(image), upright)
    np.testing.assert_array_equal(np.asarray(open_image(image)), upright)
    assert image.info == {}


def test_orientation_of_jpeg_turns_the_size():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = open_image(encode(Image.new("RGB", (40, 20)), "JPEG", exif=exif))
    assert image.size == (20, 40)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "entry",
    [
        b"\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00",  # the number 0
        b"\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00",  # the number 9
        b"\x00\x02\x00\x00\x00\x02\x36\x00\x00\x00",  # the text "6"
        b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00",  # no number
        b"\x00\x63\xff\xff\xff\xff\x00\x06\x00\x00",  # no known type
        b"\x00",
    ],
)
def test_senseless_orientation_leaves_the_picture_as_it_is(entry):
    array = noise()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12" + entry + b"\0\0\0\0"
    image = open_image(encode(Image.fromarray(array), "PNG", exif=exif))
    np.testing.assert_array_equal(np.asarray(image), array)


def gradient16() -> np.ndarray:
    return np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_gradient_keeps_its_256_levels(kind):
    values = gradient16()
    image = open_image(encode(Image.fromarray(values), kind))
    grey = np.asarray(image)[..., 0]
    assert len(np.unique(grey)) == 256
    np.testing.assert_array_equal(grey, np.rint(values / 257.0).astype(np.uint8))


def test_big_endian_sixteen_bit_tiff():
    values = gradient16()
    header = b"MM\x00*\x00\x00\x00\x08"
    entries = [(256, 3, 64), (257, 3, 64), (258, 3, 16), (259, 3, 1), (262, 3, 1)]
    entries += [(273, 4, 134), (277, 3, 1), (278, 3, 64), (279, 4, 8192)]
    directory = len(entries).to_bytes(2, "big")
    for tag, kind, value in entries:
        packed = value.to_bytes(2, "big") + b"\0\0" if kind == 3 else value.to_bytes(4, "big")
        directory += tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + b"\0\0\0\1" + packed
    directory += b"\0\0\0\0"
    data = (header + directory).ljust(134, b"\0") + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(np.asarray(open_image(data)), np.asarray(open_image(values)))


@pytest.mark.parametrize("mode", ["I", "F"])
@pytest.mark.parametrize(("low", "high"), [(-1000, 3000), (0, 90_000), (5, 6)])
def test_32_bit_pixels_are_stretched_not_clipped(mode, low, high):
    values = np.linspace(low, high, 256).reshape(16, 16)
    values = values.astype(np.int32 if mode == "I" else np.float32)
    image = open_image(encode(Image.fromarray(values, mode=None), "TIFF"))
    grey = np.asarray(image)[..., 0]
    assert grey.min() == 0
    assert grey.max() == 255
    assert (np.diff(grey.ravel().astype(int)) >= 0).all()


def test_floats_in_the_unit_interval_keep_their_meaning():
    values = np.full((2, 3), 0.25, dtype=np.float32)
    for source in (values, torch.from_numpy(values), encode(Image.fromarray(values), "TIFF")):
        assert open_image(source).getpixel((0, 0)) == (64, 64, 64)


def test_values_that_are_not_finite_become_black():
    values = np.array([[np.nan, np.inf, -np.inf, 2.0, 4.0]])
    assert np.asarray(open_image(values))[0, :, 0].tolist() == [0, 0, 0, 0, 255]


def test_no_finite_value_is_an_error():
    with pytest.raises(ImageError, match=r"ndarray has no finite value"):
        open_image(np.full((2, 2), np.nan))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_any_floats_give_bytes_in_the_same_order(numbers):
    values = np.array(numbers)
    finite = np.isfinite(values)
    if not finite.any():
        return
    result = scale_to_bytes(values, "x")
    order = np.argsort(values[finite], kind="stable")
    assert (np.diff(result[finite][order].astype(int)) >= 0).all()
    assert (result[~finite] == 0).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white(mode):
    image = Image.new("RGBA", (3, 1))
    image.putdata([(0, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 51)])
    rgb = open_image(encode(image.convert(mode), "PNG"))
    assert [rgb.getpixel((x, 0)) for x in range(3)] == [WHITE, (0, 0, 0), (204, 204, 204)]


@pytest.mark.parametrize(("plain", "premultiplied"), [("RGBA", "RGBa"), ("LA", "La")])
def test_premultiplied_alpha_looks_like_plain_alpha(plain, premultiplied):
    image = Image.new("RGBA", (1, 1), (200, 200, 200, 128)).convert(plain)
    expected = np.asarray(open_image(image)).astype(int)
    found = np.asarray(open_image(image.convert(premultiplied))).astype(int)
    assert abs(found - expected).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_entry_is_white(kind):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    rgb = open_image(encode(image, kind, transparency=0))
    assert [rgb.getpixel((x, 0)) for x in range(2)] == [WHITE, BLUE]


def test_palette_with_graded_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, *BLUE])
    image.putdata([0, 1])
    rgb = open_image(encode(image, "PNG", transparency=bytes([51, 255])))
    assert [rgb.getpixel((x, 0)) for x in range(2)] == [(204, 204, 204), BLUE]


@pytest.mark.parametrize(("mode", "colour"), [("1", 0), ("L", 7), ("RGB", (1, 2, 3)), ("I;16", 300)])
def test_transparent_colour_of_png_is_white(mode, colour):
    data = encode(Image.new(mode, (2, 2), colour), "PNG", transparency=colour)
    assert open_image(data).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("mode", "tolerance"),
    [("CMYK", 0), ("YCbCr", 2), ("HSV", 6), ("LAB", 6), ("RGBX", 0), ("P", 0), ("PA", 0)],
)
def test_other_colour_modes_keep_the_colour(mode, tolerance):
    image = Image.new("RGB", (4, 4), (200, 60, 30))
    source = image.convert("P", palette=Image.Palette.ADAPTIVE) if mode in ("P", "PA") else image
    found = np.asarray(open_image(source.convert(mode))).astype(int)
    assert abs(found - np.array([200, 60, 30])).max() <= tolerance


def test_cmyk_jpeg_is_not_inverted():
    image = Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK")
    found = np.asarray(open_image(encode(image, "JPEG", quality=98))).astype(int)
    assert abs(found - np.array([200, 60, 30])).max() <= 6


def test_one_bit_is_black_and_white():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert np.asarray(open_image(encode(image, "PNG")))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 6), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert open_image(data).getpixel((4, 3)) == RED


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "PCX", "SGI", "JPEG2000", "ICO"])
def test_lossless_formats_come_back_bit_for_bit(kind):
    array = noise(32, 32)
    options = {"sizes": [(32, 32)]} if kind == "ICO" else {}
    data = encode(Image.fromarray(array), kind, **options)
    np.testing.assert_array_equal(np.asarray(open_image(data)), array)


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "MPO", "WEBP"])
def test_lossy_formats_come_back_nearly(kind):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    found = np.asarray(open_image(encode(Image.new("RGB", (32, 32), (200, 60, 30)), kind)))
    assert abs(found.astype(int) - np.array([200, 60, 30])).max() <= 6


ARRAY_TYPES = {
    "bool": (np.array([[0, 1]], bool), [0, 255]),
    "uint8": (np.array([[3, 200]], np.uint8), [3, 200]),
    "uint16": (np.array([[0, 65535]], np.uint16), [0, 255]),
    "uint16 big-endian": (np.array([[0, 32896]], ">u2"), [0, 128]),
    "float16": (np.array([[0, 1]], np.float16), [0, 255]),
    "float32": (np.array([[0, 1]], np.float32), [0, 255]),
    "float64": (np.array([[-1.0, 0.0]]), [0, 255]),
}


@pytest.mark.parametrize("kind", ARRAY_TYPES)
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_arrays_and_tensors_of_every_type(kind, channels):
    array, expected = ARRAY_TYPES[kind]
    if channels:
        array = np.repeat(array[..., None], channels, axis=2)
    before = array.copy()
    assert np.asarray(open_image(array))[0].tolist() == [[v] * 3 for v in expected]
    np.testing.assert_array_equal(array, before)
    if kind != "uint16 big-endian":
        tensor = torch.from_numpy(array if channels is None else np.moveaxis(array, -1, 0).copy())
        assert np.asarray(open_image(tensor))[0].tolist() == [[v] * 3 for v in expected]


def test_bfloat16_tensor_that_needs_a_gradient():
    tensor = torch.ones(3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    assert open_image(tensor).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_fourth_channel_is_alpha(kind):
    full = 1 if kind is np.float32 else np.iinfo(kind).max
    array = np.array([[[0, 0, 0, full], [0, 0, 0, 0]]], dtype=kind)
    assert np.asarray(open_image(array))[0, :, 0].tolist() == [0, 255]


def test_array_seen_from_behind_and_a_slice():
    array = noise()
    np.testing.assert_array_equal(np.asarray(open_image(array[::-1, ::2])), array[::-1, ::2])


def test_the_result_does_not_share_memory_with_the_source():
    array = noise()
    image = open_image(array)
    array[:] = 0
    assert np.asarray(image).any()
    source = Image.new("RGB", (2, 2))
    open_image(source).putpixel((0, 0), RED)
    assert source.getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((3, 5, 7), np.uint8), "(3, 5, 7)"),
        (np.zeros((2, 2, 2), np.uint8), "(2, 2, 2)"),
        (np.zeros((1, 2, 3, 4), np.uint8), "(1, 2, 3, 4)"),
        (np.zeros(5, np.uint8), "(5,)"),
        (np.zeros((), np.uint8), "()"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([["a"]]), "<U1"),
        (np.array([[None]]), "object"),
        (np.full((1, 1, 4), 2.0), "alpha"),
        (torch.zeros(1, 3, 4, 4), "Take one picture of the batch"),
        (torch.zeros(5, 4, 3), "channels"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (torch.zeros(3, 0, 4), "no pixels"),
        (torch.zeros(3, 4, 4, device="meta"), "meta"),
        (torch.zeros(4, 4).to_sparse(), "parse"),
    ],
)
def test_wrong_arrays_are_refused_in_words(source, words):
    with pytest.raises(ImageError) as caught:
        open_image(source)
    assert words in str(caught.value)
