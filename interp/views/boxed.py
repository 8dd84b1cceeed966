"""A picture with a line round a place in it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from PIL import Image, ImageDraw

from interp.views.overlay import Box

# Okabe and Ito's orange within black shows on any colours.
_LINE: Final = (230, 159, 0)
_DARK: Final = (0, 0, 0)
_LEAST: Final = 7.0


def boxed(picture: Image.Image, boxes: Iterable[Box]) -> Image.Image:
    """A picture with a line round each of some boxes; what is inside them stays as it is.

    Args:
        picture: any.
        boxes: (left, top, right, bottom) in its pixels; fractions and parts outside it are fine. One of
            few pixels is drawn larger, so that something is seen in it.

    Returns:
        A new RGB picture of its size.

    Example:
        >>> boxed(Image.new("RGB", (40, 30)), [(10, 10, 30, 20)]).getpixel((9, 15))
        (230, 159, 0)
    """
    drawn = picture.convert("RGB") if picture.mode != "RGB" else picture.copy()
    pen = ImageDraw.Draw(drawn)
    thick = max(round(min(picture.size) / 120), 1)
    for left, top, right, bottom in boxes:
        across, down = _span(left, right, picture.width), _span(top, bottom, picture.height)
        for line in range(1, thick + 2):
            corners = (across[0] - line, down[0] - line, across[1] + line - 1, down[1] + line - 1)
            pen.rectangle(corners, outline=_LINE if line <= thick else _DARK)
    return drawn


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Return the first pixel of a side and the one after its last, so many that they are seen."""
    missing = max(_LEAST - (high - low), 0) / 2
    first, end = (math.floor(side + 0.5) for side in (max(low - missing, 0), min(high + missing, limit)))
    return min(first, limit - 1), max(end, first + 1)
