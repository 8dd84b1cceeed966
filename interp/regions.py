"""Regions of an output that are no pixel and no box: masks, polygons, components and borders.

Arrays in, arrays out: nothing here knows a class, a network or a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage

from interp.images import Box, Preprocess
from interp.images.masks import open_mask
from interp.places import PlaceError, is_fraction, plain

Points = tuple[tuple[float, float], ...]
Side = Literal["inner", "outer"]
Mask = npt.NDArray[np.bool_]
# Of a label map: the position lies outside the picture.
NOWHERE = -1
# A square of 3 × 3: neighbours over a corner are neighbours.
_NEIGHBOURS = np.ones((3, 3), bool)
_CORNERS = 3


@dataclass(frozen=True)
class Seen:
    """The picture that an output belongs to, and how the network saw it.

    Attributes:
        picture: the original.
        preprocess: the model's.
    """

    picture: Image.Image
    preprocess: Preprocess

    @property
    def box(self) -> Box:
        """What the network sees of the picture, in its pixels."""
        return self.preprocess.box(self.picture.size)


def as_numbers(given: Any, what: str) -> npt.NDArray[np.int64]:
    """Return a mask or a label map as whole numbers `(h, w)`.

    Args:
        given: an array, tensor or rows, bool or of whole numbers, which may be floats; or the path of a grey
            or palette PNG, TIFF, BMP.
        what: how it is called in errors.

    Raises:
        ImageError: the file cannot be opened, or holds no class numbers.
        PlaceError: it is something else.

    Example:
        >>> as_numbers(np.array([[True, False]]), "the mask").tolist()
        [[1, 0]]
    """
    if isinstance(given, (str, Path)):
        return open_mask(given).astype(np.int64)
    values = _array(given)
    whole = values.dtype.kind in "biu" or (values.dtype.kind == "f" and _are_whole(values))
    if values.ndim != 2 or not whole or not values.size:
        raise PlaceError(
            f"{what} is {values.dtype} of the shape {values.shape}; give bools or whole numbers of the shape "
            "(height, width), or the path of a PNG."
        )
    return values.astype(np.int64)


def _array(given: Any) -> npt.NDArray[Any]:
    if isinstance(given, torch.Tensor):
        held = given.detach().cpu()
        return (held.float() if held.dtype == torch.bfloat16 else held).numpy()
    try:
        return np.asarray(given)
    except ValueError:  # rows of unlike lengths
        return np.empty(len(given), object)


def _are_whole(values: npt.NDArray[Any]) -> bool:
    exact = values.astype(np.float64)
    return bool((np.abs(exact) < 2**31).all() and (exact == np.rint(exact)).all())


def fitted(
    values: npt.NDArray[np.int64],
    size: tuple[int, int],
    seen: Seen | None,
    what: str,
    outside: int = 0,
) -> npt.NDArray[np.int64]:
    """Return a mask or a label map on the positions of an output: the value at each position's middle.

    Args:
        values: `(h, w)`, of the picture's size, or of the output's.
        size: `(H, W)` of the output.
        seen: the picture; without it only the output's size is known. Where picture and output are of one
            size, the values are the picture's.
        what: how it is called in errors.
        outside: the value of positions outside the picture.

    Raises:
        PlaceError: it is of another size.

    Example:
        >>> fitted(np.eye(2, dtype=int), (2, 2), None, "the mask").tolist()
        [[1, 0], [0, 1]]
    """
    if seen is not None and values.shape == seen.picture.size[::-1]:
        box = seen.box
        rows = np.floor(box.top + (np.arange(size[0]) + 0.5) / size[0] * box.height).astype(int)
        columns = np.floor(box.left + (np.arange(size[1]) + 0.5) / size[1] * box.width).astype(int)
        inside = [(at >= 0) & (at < many) for at, many in zip((rows, columns), values.shape, strict=True)]
        rows, columns = (at.clip(0, many - 1) for at, many in zip((rows, columns), values.shape, strict=True))
        return np.where(np.outer(*inside), values[np.ix_(rows, columns)], outside)
    if values.shape == size:
        return values
    sizes = [size[::-1], *([] if seen is None else [seen.picture.size])]
    raise PlaceError(
        f"{what} is of {values.shape[1]} × {values.shape[0]}; give it of the size of the output or, to "
        f"interp.explain, of the picture: {' or '.join(f'{w} × {h}' for w, h in sizes)}."
    )


def checked_points(points: Any) -> Points:
    """Return the corners of a polygon, `(x, y)` in fractions 0 … 1.

    Raises:
        PlaceError: they are not three or more such pairs.

    Example:
        >>> checked_points([[0, 0], [1, 0], [0.5, 1]])
        ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))
    """
    points = plain(points)
    pairs = [tuple(_listed(point)) for point in _listed(points)]
    if len(pairs) < _CORNERS or not all(len(p) == 2 and all(map(is_fraction, p)) for p in pairs):
        raise PlaceError(
            f"the polygon {points!r:.80} is none: give three or more points (x, y), each from 0 to 1 of what "
            "the network sees."
        )
    return tuple((float(x), float(y)) for x, y in pairs)


def _listed(points: Any) -> list[Any]:
    points = plain(points)
    return list(points) if isinstance(points, (list, tuple)) else []


def polygon_positions(points: Points, size: tuple[int, int]) -> Mask:
    """Return the positions whose middles lie in a polygon, by the even-odd rule, bool `(H, W)`.

    Example:
        >>> polygon_positions(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), (1, 4)).tolist()
        [[True, True, False, False]]
    """
    y = ((np.arange(size[0]) + 0.5) / size[0])[:, None]
    x = ((np.arange(size[1]) + 0.5) / size[1])[None]
    inside = np.zeros(size, bool)
    for (x0, y0), (x1, y1) in pairwise((*points, points[0])):
        if y0 == y1:
            continue
        inside ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def seen_polygon(points: Iterable[Sequence[float]], size: tuple[int, int], box: Box) -> Points:
    """Return the part of a polygon that the network sees, in fractions of that.

    Args:
        points: `(x, y)` in pixels of the picture.
        size: `(width, height)` of the picture.
        box: what the network sees of it, `model.preprocess.box(size)`.

    Raises:
        PlaceError: a point lies outside the picture, or all of them outside what the network sees.

    Example:
        >>> seen_polygon([(0, 0), (20, 0), (20, 20), (0, 20)], (20, 20), Box(10.0, 0.0, 20.0, 20.0))
        ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    """
    corners = [(float(x), float(y)) for x, y in points]
    if not all(0 <= x <= size[0] and 0 <= y <= size[1] for x, y in corners):
        raise PlaceError(f"the polygon is outside the picture of {size[0]} × {size[1]} pixels.")
    found = [((x - box.left) / box.width, (y - box.top) / box.height) for x, y in corners]
    for axis, limit, sign in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
        found = _clipped(found, axis, limit, sign)
    if len(found) < _CORNERS:
        edges = ",".join(f"{end:.0f}" for end in box.to_json())
        raise PlaceError(
            f"the polygon is outside what the network sees of the picture: {edges} (left, top, right, bottom "
            "in pixels)."
        )
    rounded = [(round(min(max(x, 0.0), 1.0), 6), round(min(max(y, 0.0), 1.0), 6)) for x, y in found]
    return checked_points(rounded)


def _clipped(
    points: list[tuple[float, float]], axis: int, limit: float, sign: int
) -> list[tuple[float, float]]:
    """Return what of a polygon lies on one side of a line, as Sutherland and Hodgman do it."""
    found = []
    for a, b in pairwise([*points[-1:], *points]):
        ahead, beyond = sign * (a[axis] - limit), sign * (b[axis] - limit)
        if ahead * beyond < 0:
            part = ahead / (ahead - beyond)
            found.append((a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])))
        if beyond >= 0:
            found.append(b)
    return found


def component(region: Mask, row: int, column: int) -> Mask:
    """Return the connected part of a region that holds a position; corners connect.

    Example:
        >>> component(np.array([[True, False, True]]), 0, 2).tolist()
        [[False, False, True]]
    """
    parts, _ = ndimage.label(region, _NEIGHBOURS)
    found: Mask = (parts == parts[row, column]) & region
    return found


def border(region: Mask, side: Side, width: int = 3) -> Mask:
    """Return the border of a region: `inner = R ∖ (R ⊖ square)`, `outer = (R ⊕ square) ∖ R`.

    The square reaches `width` positions each way. The edge of the picture is no border.

    Raises:
        PlaceError: another side, or a width below 1.

    Example:
        >>> border(np.array([[True, True, False, False]]), "outer", 1).tolist()
        [[False, False, True, False]]
    """
    if side not in get_args(Side):
        raise PlaceError(f"the border {side!r} is none: give 'inner' or 'outer'.")
    if type(width) is not int or width < 1:
        raise PlaceError(f"a border of the width {width!r} is none: give 1 or more positions.")
    width = min(width, max(region.shape))
    if side == "inner":
        inside = ndimage.binary_erosion(region, _NEIGHBOURS, iterations=width, border_value=1)
        return np.asarray(region & ~inside)
    return np.asarray(ndimage.binary_dilation(region, _NEIGHBOURS, iterations=width) & ~region)


def to_runs(region: Mask) -> list[int]:
    """Return the lengths of the runs along the rows, the first one of positions outside the region.

    Example:
        >>> to_runs(np.array([[True, True], [False, True]]))
        [0, 2, 1, 1]
    """
    flat = np.concatenate([[False], region.ravel(), [not region.ravel()[-1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    runs: list[int] = np.diff(np.concatenate([[0], ends])).tolist()
    return runs


def from_runs(runs: Any, size: tuple[int, int]) -> Mask:
    """Return the region of `to_runs`.

    Raises:
        PlaceError: they are not the runs of such a region.

    Example:
        >>> from_runs([0, 2, 1, 1], (2, 2)).tolist()
        [[True, True], [False, True]]
    """
    plain = isinstance(runs, list) and all(type(run) is int and run >= 0 for run in runs)
    if not plain or sum(runs) != math.prod(size):
        raise PlaceError(f"the saved region is none of {size[1]} × {size[0]} positions.")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size)
