"""Small files that claim to be, or unpack to, more than there is: refused in bounded memory and time."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import refusal
from PIL import Image

from interp.features.example_store import read_examples
from interp.features.ranking import Ranking
from interp.images import open_image
from interp.metrics.results import read_tables
from interp.report.rows import read_part

SIDE = 60_000  # 3.6 thousand million pixels


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@cache
def packed_zeros(size: int) -> bytes:
    packer, piece = zlib.compressobj(9), bytes(2**20)
    found = [packer.compress(piece) for _ in range(size // len(piece))]
    return b"".join([*found, packer.flush()])


def png(side: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def small(kind: str, **options: object) -> bytearray:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(buffer, kind, **options)
    return bytearray(buffer.getvalue())


def changed(data: bytearray, at: int, form: str, *values: int) -> bytes:
    struct.pack_into(form, data, at, *values)
    return bytes(data)


def tiff(side: int) -> bytes:
    data = small("TIFF")
    (start,) = struct.unpack_from("<I", data, 4)
    for number in range(struct.unpack_from("<H", data, start)[0]):
        tag, _, count = struct.unpack_from("<HHI", data, start + 2 + 12 * number)
        if tag in (256, 257, 278) and count == 1:  # width, height, rows of a strip
            struct.pack_into("<HHII", data, start + 2 + 12 * number, tag, 4, 1, side)
    return bytes(data)


def jpeg(side: int) -> bytes:
    data = small("JPEG")
    return changed(data, data.index(b"\xff\xc0") + 5, ">HH", side, side)


def gif(side: int) -> bytes:
    data = small("GIF")
    struct.pack_into("<HH", data, 6, side, side)
    return changed(data, data.index(b",", 13) + 5, "<HH", side, side)


def webp(_side: int) -> bytes:
    data = small("WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    return changed(data, at, "<I", 16383 | 16383 << 14)  # the largest there is


def icon(side: int) -> bytes:
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 10**4, 22) + png(side)


CLAIMS = {
    "PNG": png(SIDE, chunk(b"IDAT", packed_zeros(2**24))),
    "TIFF": tiff(SIDE),
    "JPEG": jpeg(SIDE),
    "GIF": gif(SIDE),
    "BMP": changed(small("BMP"), 18, "<ii", SIDE, SIDE),
    "WEBP": webp(SIDE),
    "TGA": changed(small("TGA", compression="tga_rle"), 12, "<HH", SIDE, SIDE),
    "PPM": b"P6 60000 60000 255\n",
    "ICO": icon(SIDE),
    "ICO of a bitmap": b"\0\0\1\0\1\0"
    + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 10**4, 22)
    + struct.pack("<IiiHHIIiiII", 40, SIDE, 2 * SIDE, 1, 32, 0, 0, 0, 0, 0, 0),
}
UNPACKED = {
    "PNG with a text": (b"zTXt", b"Comment\0\0"),
    "PNG with a profile": (b"iCCP", b"ICC\0\0"),
    "PNG whose rows go on": (b"IDAT", b""),
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_pictures_that_claim_to_be_huge(kind):
    assert len(CLAIMS[kind]) < 2**20
    assert "pixels" in refusal(lambda: open_image(CLAIMS[kind]))


ALONE = """
import resource, sys
from interp.images import ImageError, open_image
data = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(open_image(data).size)
except ImageError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is counted otherwise")
@pytest.mark.parametrize("kind", UNPACKED)
def test_pictures_that_unpack_to_much_more(kind, tmp_path):
    """Beside 16 × 16 pixels lie 128 megabytes of nothing, in a few kilobytes: it takes a fraction of that."""
    name, start = UNPACKED[kind]
    (tmp_path / "x.png").write_bytes(png(16, chunk(name, start + packed_zeros(2**27))))
    done = subprocess.run(
        [sys.executable, "-c", ALONE, tmp_path / "x.png"], capture_output=True, text=True, check=True
    )
    said, megabytes = done.stdout.strip().split("\n")
    assert said == "(16, 16)" or "x.png" in said or "picture" in said
    assert int(megabytes) < 60


def test_a_thousand_frames_are_one():
    frames = [Image.new("L", (500, 500), number % 256) for number in range(1000)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert open_image(buffer.getvalue()).size == (500, 500)


@pytest.mark.parametrize("read", [lambda p: list(read_part(p)), lambda p: read_tables([p]), read_examples])
def test_tables_of_equal_numbers_are_counted_before_they_are_read(read, tmp_path, monkeypatch):
    """Equal numbers take no room in the file, and all of it in memory."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"channel": pa.array(np.zeros(2 * 10**6, np.int32))}), path)
    assert path.stat().st_size < 10**5
    monkeypatch.setattr("interp.parquet.MOST_VALUES", 10**6)
    monkeypatch.setattr(pq, "read_table", lambda *_, **__: pytest.fail("it was read"))
    refusal(lambda: read(path))


def test_archives_of_nothing(tmp_path):
    """A ranking is an archive of arrays, in which a megabyte may be thousands."""
    path = tmp_path / "ranking.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("about.npy", bytes(2**20))
    size = path.stat().st_size
    data = path.read_bytes().replace(struct.pack("<I", 2**20), struct.pack("<I", 2**32 - 2))
    path.write_bytes(data)
    assert size < 10**4
    assert Ranking.load(path, "key") is None


def test_arrays_that_claim_to_be_huge(tmp_path):
    header = json.dumps({"descr": "<f4", "fortran_order": False, "shape": 1}).replace('"', "'")
    header = header.replace("false", "False").replace("'shape': 1", "'shape': (1000000000000,)")
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    with zipfile.ZipFile(tmp_path / "ranking.npz", "w") as packed:
        packed.writestr("about.npy", array)
    assert Ranking.load(tmp_path / "ranking.npz", "key") is None
