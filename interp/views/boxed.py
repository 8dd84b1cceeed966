"""A picture with a line round places in it: boxes, and regions of any shape."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from interp.views.outlined import grown
from interp.views.overlay import Box

Region = npt.NDArray[np.bool_]

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


def traced(picture: Image.Image, regions: Iterable[npt.ArrayLike], box: Box | None = None) -> Image.Image:
    """A picture with a line round each of some regions; what is inside them stays as it is.

    The line is thinner than a box's, as a region may have many parts. Positions smaller than a pixel are
    drawn as one, and a region of few pixels is drawn larger, so that something is seen in it.

    Args:
        picture: any.
        regions: each true inside, (H, W), whatever the size.
        box: (left, top, right, bottom) in the picture's pixels, where the regions lie; None is all of it.

    Returns:
        A new RGB picture of its size.

    Example:
        >>> half = np.array([[True, False]])
        >>> traced(Image.new("RGB", (40, 30)), [half]).getpixel((20, 15))
        (230, 159, 0)
    """
    drawn = np.array(picture.convert("RGB"))
    thick = max(round(min(picture.size) / 200), 1)
    for region in regions:
        inside = _placed(np.asarray(region, bool), picture.size, box or (0.0, 0.0, *picture.size))
        line = grown(inside, thick)
        drawn[grown(line, 1) & ~line] = _DARK
        drawn[line & ~inside] = _LINE
    return Image.fromarray(drawn)


def _placed(region: Region, size: tuple[int, int], box: Box) -> Region:
    """Return a region as pixels of a picture of (width, height), in which no position is lost."""
    inside = np.zeros(size[::-1], bool)
    if not region.any():
        return inside
    taken, found = [], np.nonzero(region)
    for axis, limit in enumerate(inside.shape):
        low, side, many = box[1 - axis], box[3 - axis] - box[1 - axis], region.shape[axis]
        taken.append(np.floor((np.arange(limit) + 0.5 - low) / side * many).astype(int))
        found[axis][:] = np.floor(low + (found[axis] + 0.5) / many * side)
    within = [(at >= 0) & (at < many) for at, many in zip(taken, region.shape, strict=True)]
    inside[np.ix_(*within)] = region[np.ix_(*(at[ok] for at, ok in zip(taken, within, strict=True)))]
    kept = np.all([(at >= 0) & (at < limit) for at, limit in zip(found, inside.shape, strict=True)], axis=0)
    inside[found[0][kept], found[1][kept]] = True
    sides = [np.ptp(np.flatnonzero(inside.any(axis))) + 1 for axis in (0, 1) if inside.any()]
    missing = _LEAST - max(sides, default=int(_LEAST))
    return grown(inside, math.ceil(missing / 2)) if missing > 0 else inside


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Return the first pixel of a side and the one after its last, so many that they are seen."""
    missing = max(_LEAST - (high - low), 0) / 2
    first, end = (math.floor(side + 0.5) for side in (max(low - missing, 0), min(high + missing, limit)))
    return min(first, limit - 1), max(end, first + 1)
