"""Concepts over their picture, each in a colour of its own."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Picture, ViewError, as_numbers, same_length
from interp.views.overlay import Box, covered

Floats = npt.NDArray[np.float32]

_OPACITY: Final = 0.85
_FADED: Final = 0.7
_SHADE: Final = 0.35
_LONGEST: Final = 480


def concept_over(
    picture: Image.Image,
    heat: npt.ArrayLike,
    colour: npt.ArrayLike,
    *,
    full: float | None = None,
    box: Box | None = None,
) -> Picture:
    """One concept over its picture: light grey where there is none of it, its colour where there is most.

    `(1 - s) * grey + s * colour` with `s = 0.85 min(h / full, 1)`; the colour keeps some of the shades.

    Args:
        picture: the original.
        heat: how much of the concept there is, from 0, (height, width).
        colour: RGB bytes.
        full: how much of it has the full colour; None is the most there is in the picture.
        box: what the heat covers of the picture, in its pixels; None is all of it.

    Returns:
        uint8 (height, width, 3), at most 480 pixels long.

    Raises:
        ViewError: the heat has not two axes, or values that are not finite.

    Example:
        >>> red = concept_over(Image.new("RGB", (8, 8), "white"), [[0.0, 1.0]], (255, 0, 0))
        >>> red[0, 0].tolist(), red[0, 7].tolist()
        ([255, 255, 255], [255, 38, 38])
    """
    most = None if full is None else [full]
    return concepts_over(picture, np.asarray(heat)[None], np.asarray(colour)[None], full=most, box=box)


def concepts_over(
    picture: Image.Image,
    heat: npt.ArrayLike,
    colours: npt.ArrayLike,
    *,
    full: npt.ArrayLike | None = None,
    box: Box | None = None,
) -> Picture:
    """Several concepts over their picture, at each pixel the one that is nearest to its full colour.

    Args:
        picture: the original.
        heat: how much of each concept there is, from 0, (concepts, height, width).
        colours: RGB bytes, (concepts, 3).
        full: how much of each has the full colour; None is the most there is in the picture.
        box: what the heat covers of the picture, in its pixels; None is all of it.

    Returns:
        uint8 (height, width, 3), at most 480 pixels long; grey where there is no concept.

    Raises:
        ViewError: the heat has not three axes, or values that are not finite, or not a colour for each.

    Example:
        >>> concepts_over(Image.new("RGB", (9, 9)), np.eye(2)[:, None], [(255, 0, 0), (0, 0, 255)]).shape
        (9, 9, 3)
    """
    maps = checked_heat(heat)
    same_length("colours", len(np.asarray(colours)), len(maps), "concepts")
    small, placed = reduced(picture, box)
    highest = maps.max((1, 2)) if full is None else as_numbers(full, "full").astype(np.float32)
    same_length("full", len(highest), len(maps), "concepts")
    shares = (maps / np.where(highest > 0, highest, 1)[:, None, None]).clip(max=1)
    levels = np.stack([_spread(one, small.size, placed) for one in shares])
    share = _OPACITY * levels.max(0)[..., None]
    grey = np.asarray(small.convert("L").convert("RGB"), np.float32)
    x0, y0, x1, y1 = covered(small.size, placed)
    seen = np.full(grey.shape[:2], 0.5, np.float32)
    seen[y0:y1, x0:x1] = 1
    # Lighter than the photograph itself, so that dark places take colour too; faded where nothing was seen.
    paper = 255 - seen[..., None] * _FADED * (255 - grey)
    colour = np.asarray(colours, np.float32)[levels.argmax(0)]
    shaded = colour * (1 - _SHADE * (1 - grey / 255))
    blend: Picture = np.rint((1 - share) * paper + share * shaded).astype(np.uint8)
    return blend


def checked_heat(heat: npt.ArrayLike) -> Floats:
    """Heat of concepts, (concepts, height, width), nothing below 0.

    Raises:
        ViewError: it has not three axes, or values that are not finite.

    Example:
        >>> checked_heat([[[-1.0, 2.0]]]).tolist()
        [[[0.0, 2.0]]]
    """
    maps = np.asarray(heat, np.float32)
    if maps.ndim != 3 or not maps.size or not np.isfinite(maps).all():
        raise ViewError(f"heat: shape {maps.shape}; give finite numbers (concepts, height, width)")
    return maps.clip(min=0)


def reduced(picture: Image.Image, box: Box | None) -> tuple[Image.Image, Box | None]:
    """A copy of a picture that is no longer than a figure shows, and its box.

    Example:
        >>> small, box = reduced(Image.new("RGB", (960, 480)), (0, 0, 960, 240))
        >>> small.size, box
        ((480, 240), (0.0, 0.0, 480.0, 120.0))
    """
    zoom = min(1.0, _LONGEST / max(picture.size))
    size = max(round(picture.width * zoom), 1), max(round(picture.height * zoom), 1)
    small = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    x, y = size[0] / picture.width, size[1] / picture.height
    return small, None if box is None else (box[0] * x, box[1] * y, box[2] * x, box[3] * y)


def _spread(map: Floats, size: tuple[int, int], box: Box | None) -> Floats:
    """A map at the pixels of its picture, 0 where it does not reach."""
    result = np.zeros((size[1], size[0]), np.float32)
    left, top, right, bottom = box or (0.0, 0.0, float(size[0]), float(size[1]))
    x0, y0, x1, y1 = covered(size, box)
    if x1 <= x0 or y1 <= y0:
        return result
    height, width = map.shape
    part = (
        max((x0 - left) / (right - left) * width, 0.0),
        max((y0 - top) / (bottom - top) * height, 0.0),
        min((x1 - left) / (right - left) * width, float(width)),
        min((y1 - top) / (bottom - top) * height, float(height)),
    )
    enlarged = Image.fromarray(map).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=part)
    result[y0:y1, x0:x1] = np.asarray(enlarged)
    return result
