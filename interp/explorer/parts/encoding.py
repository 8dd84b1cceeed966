"""Pictures as data addresses, which a page shows without asking a server."""

from __future__ import annotations

import base64
import io

from PIL import Image

QUALITY = 90


def as_jpeg(picture: Image.Image) -> str:
    """Return a `data:` address of a picture as JPEG.

    Example:
        >>> as_jpeg(Image.new("RGB", (2, 2)))[:23]
        'data:image/jpeg;base64,'
    """
    return _address(picture.convert("RGB"), "JPEG", quality=QUALITY, subsampling=0)


def as_png(picture: Image.Image) -> str:
    """Return a `data:` address of a picture as PNG, for few colours and sharp edges."""
    return _address(picture, "PNG", compress_level=1)


def _address(picture: Image.Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
