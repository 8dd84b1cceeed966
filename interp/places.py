"""Places in a picture, a pixel or a box: which positions of an output they are, and how they are called.

A target sees nothing but the output. It knows neither the picture's size nor what was cut off it, so a place
is said in fractions, 0 … 1, of what the network sees; `seen` makes them of the original picture's pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from interp.images import Box

Place = tuple[float, ...]
# A millionth of the longest side that a network may have is far less than a pixel.
_DIGITS = 6


class PlaceError(ValueError):
    """A place is none, or none of this picture; the message says what would work."""


def checked(place: Any) -> Place:
    """Return `(x, y)` of a pixel or `(left, top, right, bottom)` of a box, in fractions 0 … 1.

    Raises:
        PlaceError: it is something else.

    Example:
        >>> checked([0.25, 1])
        (0.25, 1.0)
    """
    place = plain(place)
    ends = list(place) if isinstance(place, (list, tuple)) else []
    if len(ends) not in (2, 4) or not all(is_fraction(end) for end in ends):
        raise PlaceError(
            f"the place {place!r:.80} is none: give x, y of a pixel or left, top, right, bottom of a box, "
            "each from 0 to 1 of what the network sees."
        )
    if len(ends) == 4 and not (ends[0] < ends[2] and ends[1] < ends[3]):
        raise PlaceError(
            f"the box {place!r:.80} is empty: left must be less than right, top less than bottom."
        )
    return tuple(float(end) for end in ends)


def plain(given: Any) -> Any:
    """Return an array or a tensor as a list, and everything else as it is.

    Example:
        >>> plain(np.array([0.25, 1.0]))
        [0.25, 1.0]
    """
    return given.tolist() if isinstance(given, (np.ndarray, torch.Tensor)) else given


def is_fraction(end: Any) -> bool:
    """Whether a value is a number from 0 to 1; numpy's are, too.

    Example:
        >>> is_fraction(0.5), is_fraction(True), is_fraction(7)
        (True, False, False)
    """
    number = isinstance(end, (int, float, np.integer, np.floating)) and not isinstance(end, bool)
    return number and bool(0 <= end <= 1)


def positions(place: Place, size: tuple[int, int]) -> torch.Tensor:
    """Return which positions of an output a place means, bool `(H, W)`; at least one.

    A pixel is the position that it lies in. To a box belong the positions whose middle it covers; where it
    covers none, the one that its own middle lies in.

    Args:
        place: checked.
        size: `(H, W)` of the output.

    Example:
        >>> positions((0.0, 0.0, 0.5, 1.0), (2, 4)).int().tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    region = torch.zeros(size, dtype=torch.bool)
    region[spans(place, size)] = True
    return region


def spans(place: Place, size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and the columns that `positions` gives.

    Example:
        >>> spans((0.0, 0.0, 0.5, 1.0), (2, 4))
        (slice(0, 2, None), slice(0, 2, None))
    """
    height, width = size
    if len(place) == 2:
        return _at(place[1], height), _at(place[0], width)
    return _between(place[1], place[3], height), _between(place[0], place[2], width)


def _at(part: float, count: int) -> slice:
    index = min(int(part * count), count - 1)
    return slice(index, index + 1)


def _between(low: float, high: float, count: int) -> slice:
    first, end = math.ceil(low * count - 0.5), math.ceil(high * count - 0.5)
    return slice(first, end) if first < end else _at((low + high) / 2, count)


def in_words(place: Place) -> str:
    """Return a place as it stands in a target's name.

    Example:
        >>> in_words((0.31, 0.62)), in_words((0.0, 0.5, 0.25, 1.0))
        ('at (0.31, 0.62)', 'in the box (0.00, 0.50) – (0.25, 1.00)')
    """
    corners = [f"({place[i]:.2f}, {place[i + 1]:.2f})" for i in range(0, len(place), 2)]
    return f"at {corners[0]}" if len(place) == 2 else f"in the box {corners[0]} – {corners[1]}"


def seen(place: Sequence[float], size: tuple[int, int], box: Box) -> Place:
    """Return a place of the original picture in fractions of what the network sees.

    Of a box that lies partly outside, the part that the network sees is taken.

    Args:
        place: `(x, y)`, the column and row of a pixel, of which the middle counts; or the edges
            `(left, top, right, bottom)` of a box, as in Pillow's `crop`. In pixels of the picture.
        size: `(width, height)` of the picture.
        box: what the network sees of it, `model.preprocess.box(size)`.

    Raises:
        PlaceError: the place is none, or lies outside the picture or what the network sees.

    Example:
        >>> seen((40, 10), (80, 60), Box(10.0, 0.0, 70.0, 60.0))
        (0.508333, 0.175)
    """
    ends = [float(end) for end in place]
    if len(ends) not in (2, 4):
        raise PlaceError(
            f"the region {_listed(place)} is none: give X,Y of a pixel or LEFT,TOP,RIGHT,BOTTOM."
        )
    if len(ends) == 4 and not (ends[0] < ends[2] and ends[1] < ends[3]):
        raise PlaceError(
            f"the region {_listed(place)} is empty: LEFT must be less than RIGHT and TOP less than BOTTOM."
        )
    width, height = size
    inside = [0 <= end <= limit for end, limit in zip(ends, (width, height) * 2, strict=False)]
    if not all(inside) or (len(ends) == 2 and (ends[0] >= width or ends[1] >= height)):
        raise PlaceError(f"the region {_listed(place)} is outside the picture of {width} × {height} pixels.")
    if len(ends) == 2:
        ends = [math.floor(end) + 0.5 for end in ends]
    found = [
        (end - (box.top if i % 2 else box.left)) / (box.height if i % 2 else box.width)
        for i, end in enumerate(ends)
    ]
    if len(ends) == 4:
        found = [min(max(part, 0.0), 1.0) for part in found]
    if any(not 0 <= part <= 1 for part in found) or (
        len(found) == 4 and (found[0] >= found[2] or found[1] >= found[3])
    ):
        corners = ",".join(f"{end:.0f}" for end in box.to_json())
        raise PlaceError(
            f"the region {_listed(place)} is outside what the network sees of the picture: {corners} "
            "(left, top, right, bottom in pixels)."
        )
    return tuple(round(part, _DIGITS) for part in found)


def in_picture(place: Place, box: Box) -> tuple[float, float, float, float]:
    """Return the edges of a place in pixels of the original picture; those of a pixel are its middle.

    Example:
        >>> in_picture((0.5, 0.0, 1.0, 0.5), Box(10.0, 0.0, 70.0, 60.0))
        (40.0, 0.0, 70.0, 30.0)
    """
    left, top, right, bottom = (*place, *place)[:4]
    return (
        box.left + left * box.width,
        box.top + top * box.height,
        box.left + right * box.width,
        box.top + bottom * box.height,
    )


def _listed(place: Sequence[float]) -> str:
    return ",".join(f"{end:g}" for end in place)
