"""Whatever is opened becomes an RGB image or a sentence, and nothing ever waits or runs."""

import contextlib
import io
import os
import pickle
import struct
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from interp.images import ImageError, Limits, open_image

PIXELS = np.random.default_rng(1).integers(0, 256, (24, 20, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encode(PICTURE, "PNG")


def message(source: object, **options: object) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


# --- ways in


def test_every_way_in_gives_the_same(tmp_path):
    path = tmp_path / "a picture.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        file.read(5)
        sources = [str(path), path, PNG, bytearray(PNG), memoryview(PNG), io.BytesIO(PNG), file]
        sources += [Image.open(io.BytesIO(PNG)), PICTURE, PIXELS]
        for source in sources:
            image = open_image(source)
            assert type(image) is Image.Image
            assert image.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(image), PIXELS)


def test_a_stream_without_seek_that_gives_one_byte_at_a_time():
    class Drip:
        def __init__(self):
            self.rest = PNG

        def read(self, _size):
            first, self.rest = self.rest[:1], self.rest[1:]
            return first

    np.testing.assert_array_equal(np.asarray(open_image(Drip())), PIXELS)


def test_the_file_is_closed_at_once(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    before = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    kept = [open_image(path) for _ in range(5)]
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    path.unlink()
    assert all(image.getpixel((0, 0)) == tuple(PIXELS[0, 0]) for image in kept)


def test_the_content_decides_not_the_name(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(PNG)
    np.testing.assert_array_equal(np.asarray(open_image(path)), PIXELS)


def test_a_regular_file_behind_a_link_opens(tmp_path):
    (tmp_path / "real.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    assert open_image(tmp_path / "link.png").size == (20, 24)


# --- paths that are no pictures


def test_missing_file_suggests_its_neighbours(tmp_path):
    for name in ("Katze.jpeg", "hund.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    text = message(tmp_path / "katze.jpg")
    assert "katze.jpg" in text
    assert "Did you mean 'Katze.jpeg'?" in text


def test_missing_folder_is_named(tmp_path):
    assert "There is no folder" in message(tmp_path / "nowhere" / "a.png")


def test_link_that_leads_nowhere(tmp_path):
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    assert "leads nowhere" in message(tmp_path / "dead.png")


def test_links_in_a_circle(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert "loop.png" in message(tmp_path / "loop.png")


@pytest.mark.parametrize("name", ["", "a\0b.png", "x" * 5000, "\ud800.png", "../" * 3000])
def test_names_that_no_file_can_have(name):
    assert len(message(name)) < 900


def test_a_name_cannot_write_control_characters():
    assert "\x1b" not in message("\x1b[31mred\n.png")


def test_a_file_as_a_folder(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    assert "a.png" in message(tmp_path / "a.png" / "b.png")


def test_a_folder(tmp_path):
    assert "is a folder" in message(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(message(tmp_path / "pipe.png")), daemon=True)
    thread.start()
    thread.join(10)
    assert found
    assert "pipe.png' is a pipe" in found[0]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices on this system")
def test_a_device_is_not_read():
    assert "is a device" in message("/dev/zero")


def test_permission_denied(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(PNG)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("interp.images.reading.os.open", refuse)
    assert "secret.png' may not be read: permission denied" in message(path)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.png",
        "HTTP://example.org",
        "s3://bucket/a.png",
        "file:///a.png",
        "data:image/png;base64,iVBORw0KGgo=",
    ],
)
def test_addresses_are_not_fetched(url):
    assert "Download" in message(url)


@pytest.mark.parametrize("source", [None, 3, [1, 2], object(), {"a": 1}, Path])
def test_other_things_are_refused(source):
    assert type(source).__name__ in message(source)


def test_text_mode_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("hello")
    with path.open() as file:
        text = message(file)
    assert "'rb'" in text
    assert "text.txt" in text


def test_closed_file():
    file = io.BytesIO(PNG)
    file.close()
    assert "BytesIO" in message(file)


# --- contents that are no pictures

CONTENTS = {
    "empty": (b"", "empty"),
    "text": (b"hello, I am no picture\n", "text"),
    "svg": (b'<?xml version="1.0"?>\n<!-- x --><svg xmlns="x"></svg>', "SVG"),
    "html": (b"<!DOCTYPE html><html></html>", "web page"),
    "html with svg": (b"<svg width='3'></svg>", "SVG"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "PostScript"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "HEIC"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + b"\0" * 40, "video"),
    "avif": (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "AVIF|damaged"),
    "pickle": (pickle.dumps({"weights": [1, 2, 3]}), "pickle"),
    "zip": (b"PK\x03\x04" + b"\0" * 60, "zip"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 60, "gzip"),
    "psd": (b"8BPS\0\1" + b"\0" * 60, "Photoshop"),
    "npy": (b"\x93NUMPY\1\0v\0", "NumPy"),
    "dicom": (b"\0" * 128 + b"DICM" + b"\0" * 60, "DICOM"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
    "garbage": (b"\xfe\xdc\xba" * 30, "no kind of picture"),
    "png signature": (PNG[:8], "PNG"),
    "png header only": (PNG[:20], "PNG"),
    "jpeg signature": (b"\xff\xd8\xff\xe0", "JPEG"),
    "gif signature": (b"GIF89a", "GIF"),
    "tiff signature": (b"II*\0", "TIFF"),
    "webp signature": (b"RIFF\0\0\0\0WEBP", "WebP"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CONTENTS)
def test_what_is_no_picture_is_called_by_its_name(kind, tmp_path):
    data, words = CONTENTS[kind]
    path = tmp_path / "thing.jpg"
    path.write_bytes(data)
    text = message(path)
    assert "thing.jpg" in text
    assert any(word in text for word in words.split("|")), text


def test_eps_given_as_pillow_image_never_reaches_ghostscript():
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"
    lazy = Image.open(io.BytesIO(data))
    assert "a drawing (EPS)" in message(lazy)


# --- limits


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(12_000, 9_000))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        text = message(path)
    assert "bomb.png' has 12000 x 9000 pixels" in text


@pytest.mark.parametrize("data", [png_header(60_000, 60_000), png_header(2**31 - 1, 2**31 - 1)])
def test_bombs_that_pillow_itself_refuses(data):
    assert "pixels" in message(data)


def test_a_bomb_warning_made_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "pixels" in message(png_header(12_000, 9_000))


def test_pillows_own_limit_is_not_relied_on(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "60000 x 60000" in message(png_header(60_000, 60_000))


def test_the_limit_is_exact():
    assert open_image(PNG, limits=Limits(pixels=480)).size == (20, 24)
    for source in (PNG, PICTURE, PIXELS):
        assert "20 x 24 pixels" in message(source, limits=Limits(pixels=479))


def test_a_picture_within_an_icon_is_counted():
    icon = b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 10**4, 22)
    assert "12000 x 9000" in message(icon + png_header(12_000, 9_000), limits=Limits(pixels=10**7))


def test_file_size_limit(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(PNG)
    limits = Limits(bytes=len(PNG) - 1)
    for source in (path, PNG, io.BytesIO(PNG)):
        assert f"{len(PNG) - 1:,} bytes" in message(source, limits=limits)
    assert open_image(path, limits=Limits(bytes=len(PNG))).size == (20, 24)


def test_an_endless_stream_is_left():
    class Endless:
        def read(self, size):
            return b"\0" * min(size, 1000)

    assert "larger" in message(Endless(), limits=Limits(bytes=10_000))


@pytest.mark.parametrize("limits", [{"bytes": 0}, {"pixels": -1}])
def test_limits_are_checked(limits):
    with pytest.raises(ValueError, match=r"at least 1"):
        Limits(**limits)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_pictures_without_pixels(size):
    assert "no pixels" in message(Image.new("RGB", size))


# --- damage


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "TGA", "AVIF"])
def test_a_truncated_file(kind, tmp_path):
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    data = encode(PICTURE, kind)
    path = tmp_path / "half.img"
    path.write_bytes(data[: len(data) // 2])
    assert "half.img" in message(path)


@pytest.mark.parametrize(
    "error",
    [
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        MemoryError,
        EOFError,
        RuntimeError,
        zlib.error,
        OverflowError,
        KeyError,
        AttributeError,
        RecursionError,
        AssertionError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ],
)
def test_whatever_pillow_raises_becomes_a_sentence(error, tmp_path, monkeypatch):
    path = tmp_path / "odd.png"
    path.write_bytes(PNG)

    def fail(_):
        raise error("first line\nsecond line")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    assert "odd.png" in message(path)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    assert isinstance(caught.value.__cause__, error)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_metadata_do_not_matter():
    data = encode(PICTURE, "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    np.testing.assert_array_equal(np.asarray(open_image(data)), PIXELS)


SMALL = Image.fromarray(PIXELS[:7, :9])
SEEDS = {
    "PNG": encode(SMALL, "PNG"),
    "PNG palette": encode(SMALL.quantize(8), "PNG", transparency=1),
    "PNG 16": encode(Image.fromarray(PIXELS[:7, :9, 0].astype(np.uint16) * 257), "PNG"),
    "JPEG": encode(SMALL, "JPEG"),
    "JPEG CMYK": encode(SMALL.convert("CMYK"), "JPEG"),
    "GIF": encode(SMALL, "GIF", save_all=True, append_images=[SMALL.rotate(90)]),
    "TIFF": encode(SMALL, "TIFF"),
    "TIFF lzw": encode(SMALL, "TIFF", compression="tiff_lzw"),
    "TIFF float": encode(SMALL.convert("F"), "TIFF"),
    "BMP": encode(SMALL, "BMP"),
    "WEBP": encode(SMALL, "WEBP", lossless=True),
    "ICO": encode(SMALL.resize((16, 16)), "ICO"),
    "TGA": encode(SMALL, "TGA", compression="tga_rle"),
    "JPEG2000": encode(SMALL, "JPEG2000"),
}
Image.init()
if "AVIF" in Image.SAVE:  # Pillow from 11.3
    SEEDS["AVIF"] = encode(SMALL, "AVIF")
changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)


@pytest.mark.parametrize("kind", SEEDS)
@settings(derandomize=True, max_examples=60, deadline=None)
@given(changes=changes, keep=st.floats(0, 1), early=st.booleans())
def test_damaged_files_give_a_picture_or_a_sentence(kind, changes, keep, early):
    data = bytearray(SEEDS[kind])
    reach = min(len(data), 64) if early else len(data)
    for where, value in changes:
        data[int(where * reach)] = value
    if keep < 0.3:
        del data[int(keep / 0.3 * len(data)) :]
    with warnings.catch_warnings(), contextlib.suppress(ImageError):
        warnings.simplefilter("ignore")
        image = open_image(bytes(data), limits=Limits(pixels=10**6))
        assert image.mode == "RGB"
        assert min(image.size) > 0
        assert len(image.tobytes()) == 3 * image.width * image.height


# --- no state


def test_eight_threads_see_the_same():
    interval = sys.getswitchinterval()
    barrier = threading.Barrier(8)

    def work(index):
        barrier.wait()
        return [open_image(SEEDS[kind]).tobytes() for _ in range(5) for kind in sorted(SEEDS)[index % 3 :]]

    alone = {kind: open_image(SEEDS[kind]).tobytes() for kind in SEEDS}
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    for index, result in enumerate(results):
        assert result == [alone[kind] for kind in sorted(SEEDS)[index % 3 :]] * 5


def test_pillows_settings_stay_as_they_are():
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    open_image(PNG)
    with contextlib.suppress(ImageError):
        open_image(PNG[:100])
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert after == before
