"""Masks as class numbers, exactly as they were saved."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from interp.images import LIMITS, ImageError, Limits
from interp.images.reading import check_bytes, name_of, read_path
from interp.images.sniff import describe

# Imported above, so that no thread ever sees a half-filled registry.
_FORMATS = tuple(
    str(reader.format)
    for reader in (
        PngImagePlugin.PngImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
    )
)
_NUMBERS = {"1", "L", "P", "I", "I;16", "I;16B", "I;16L"}
# Pillow spreads grey of two and four bits over 0 … 255; a class number must come back as it was.
_SPREAD = {"L;2": 85, "L;4": 17}


def open_mask(path: str | Path, *, limits: Limits = LIMITS) -> NDArray[np.uint8]:
    """Open a mask as class numbers: palette indices or grey values, unscaled.

    Args:
        path: of a PNG, TIFF or BMP, with a palette or grey, 1 to 16 bits.
        limits: how large it may be.

    Returns:
        `(height, width)`, 0 … 255.

    Raises:
        ImageError: it cannot be read, is a JPEG or GIF, has colours, or a number above 255.

    Example:
        >>> open_mask("camvid/labels/0001TP_006690_P.png").max()
        30
    """
    name = name_of(path)
    return read_mask(read_path(str(path), name, limits), name, limits=limits)


def read_mask(data: bytes, name: str, *, limits: Limits = LIMITS) -> NDArray[np.uint8]:
    """Return what `open_mask` does of a file's bytes; `name` is how sentences call it."""
    check_bytes(len(data), name, limits)
    # GIF too: its writers, Pillow's among them, number the colours anew.
    for kind, signature in (("JPEG", b"\xff\xd8\xff"), ("GIF", b"GIF8")):
        if data.startswith(signature):
            raise ImageError(f"{name} is a {kind}, which does not keep class numbers. Save masks as PNG.")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _numbers(image, name, limits)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        what = "is empty." if not data else describe(data)
        raise ImageError(f"{name} {what}") from error
    except Exception as error:
        # Pillow's readers raise nearly everything when they meet a damaged file.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(".")
        raise ImageError(
            f"{name} cannot be read; it may be damaged or cut off ({reason}). Copy it again."
        ) from error


def _numbers(image: Image.Image, name: str, limits: Limits) -> NDArray[np.uint8]:
    width, height = image.size
    if width * height > limits.pixels:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than the {limits.pixels:,} allowed. Make it smaller."
        )
    if image.mode not in _NUMBERS:
        raise ImageError(
            f"{name} has colours ({image.mode}), not class numbers. Save masks as PNG, grey or with a "
            "palette, each pixel the number of its class."
        )
    spread = _SPREAD.get(_raw_mode(image), 1)
    values = np.asarray(image)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) <= 255:
        raise ImageError(f"{name} has the number {int(values.max())}; class numbers go from 0 to 255.")
    return values.astype(np.uint8) // np.uint8(spread)


def _raw_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)
