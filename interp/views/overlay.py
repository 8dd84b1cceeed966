"""A map as colours, alone or over its picture: a 256-colour table and Pillow, so it is fast."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import ViewError, check_part
from interp.views.colormaps import default_for, table
from interp.views.scale import Display, Scale, normalise
from interp.views.text import say

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Box = tuple[float, float, float, float]
Size = tuple[int, int]

_RESAMPLING: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_OUTSIDE: Final = (214, 214, 214)


def _fading(grey: float, brightness: float) -> tuple[float, ...]:
    """Rows of `brightness * ((1 - grey) * colour + grey * luminance)`, as Pillow wants them."""
    luminance = np.array([0.299, 0.587, 0.114])
    matrix = brightness * ((1 - grey) * np.eye(3) + grey * luminance)
    return tuple(np.column_stack([matrix, np.zeros(3)]).ravel().tolist())


_FADED: Final = _fading(grey=1.0, brightness=0.8)


def heat(
    map: npt.ArrayLike,
    scale: Scale,
    size: Size,
    colormap: str | None = None,
    interpolation: Interpolation = "bilinear",
) -> Image.Image:
    """A map in colours.

    The map is cut to the scale at its own resolution (as Grad-CAM cuts negative evidence), resized
    as floats, and only then coloured: colours between two colours of the table never arise.

    Args:
        map: raw values, (height, width).
        scale: the range to draw; with a verdict the whole picture has the colour of nothing.
        size: (width, height) of the result, in pixels.
        colormap: a key of `COLORMAPS`; the display's default where None.
        interpolation: how values between the map's positions are found.

    Returns:
        An RGB picture of that size.

    Raises:
        ValueError: an argument is not one of those on offer.

    Example:
        >>> heat([[0.0, 1.0]], Scale(0.0, 1.0, "positive"), (20, 10)).size
        (20, 10)
    """
    colours = table(colormap or default_for(scale.display))
    levels = _resampled(normalise(map, scale), size, None, interpolation)
    return _coloured(levels, colours)


def overlay(
    picture: Image.Image,
    map: npt.ArrayLike,
    *,
    box: Box | None = None,
    display: Display = "positive",
    scale: Scale | None = None,
    opacity: float = 0.6,
    colormap: str | None = None,
    threshold: float | None = None,
    interpolation: Interpolation = "bilinear",
    words: bool = True,
) -> Image.Image:
    """A map over the whole original picture, at the place that the network saw.

    `(1 - opacity) * picture + opacity * heat` inside the box, to one level of 255. Outside it the
    picture is faded: the network never saw that part. The map is sampled at the centres of the
    picture's pixels with no rounding of the box; a pixel is inside where its centre is.

    Args:
        picture: the original, any size.
        map: raw values, (height, width).
        box: (left, top, right, bottom) of what the map covers, in the picture's pixels; fractions
            and parts outside the picture are fine. None is the whole picture.
        display: which part of the values is drawn. A `scale` has its own.
        scale: the range to draw; `Scale.of(map, display)` where None.
        opacity: share of the heat, 0 to 1.
        colormap: a key of `COLORMAPS`; the display's default where None.
        threshold: part of the maximum, 0 to 1, under which nothing is drawn (either sign).
        interpolation: how values between the map's positions are found.
        words: write the verdict, where there is one, on the picture.

    Returns:
        A new RGB picture of the original's size. With a verdict it has no heat.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> overlay(Image.new("RGB", (64, 48)), [[0.0, 1.0]], box=(8, 0, 56, 48)).size
        (64, 48)
    """
    check_part("opacity", opacity)
    scale = scale or Scale.of(map, display)
    colours = table(colormap or default_for(scale.display))
    seen = picture.convert("RGB")
    inside = covered(seen.size, box)
    whole = inside == (0, 0, *seen.size)
    canvas = seen if whole else seen.convert("RGB", _FADED)
    region = seen.crop(inside)
    if scale.verdict is None and region.width and region.height:
        levels = _resampled(normalise(map, scale), seen.size, box, interpolation)
        drawn = _drawn(levels, scale, threshold)
        region.paste(Image.blend(region, _coloured(levels, colours), opacity), mask=drawn)
    canvas.paste(region, inside[:2])
    return say(canvas, scale.verdict) if words and scale.verdict else canvas


def framed_heat(
    map: npt.ArrayLike,
    scale: Scale,
    size: Size,
    *,
    box: Box | None = None,
    colormap: str | None = None,
    interpolation: Interpolation = "bilinear",
) -> Image.Image:
    """A map in colours where it lies in a picture's frame; light grey is what was never seen.

    Args:
        map: raw values, (height, width).
        scale: the range to draw.
        size: (width, height) of the frame, in pixels.
        box: what the map covers of the frame, as in `overlay`.
        colormap: a key of `COLORMAPS`; the display's default where None.
        interpolation: how values between the map's positions are found.

    Returns:
        An RGB picture of that size.

    Raises:
        ValueError: an argument is not one of those on offer.

    Example:
        >>> scale = Scale(0.0, 1.0, "positive")
        >>> framed_heat([[1.0]], scale, (20, 10), box=(5, 0, 15, 10)).getpixel((0, 0))
        (214, 214, 214)
    """
    colours = table(colormap or default_for(scale.display))
    canvas = Image.new("RGB", size, _OUTSIDE)
    left, top, right, bottom = covered(size, box)
    if right > left and bottom > top:
        levels = _resampled(normalise(map, scale), size, box, interpolation)
        canvas.paste(_coloured(levels, colours), (left, top))
    return canvas


def bar(scale: Scale, colormap: str | None, size: Size) -> Image.Image:
    """The colours of a scale, from low to high: upwards where taller than wide, else rightwards.

    Args:
        scale: what is drawn; with a verdict the bar is plain grey, as no colour stands for a value.
        colormap: a key of `COLORMAPS`; the display's default where None.
        size: (width, height), in pixels.

    Returns:
        An RGB picture of that size.

    Raises:
        ValueError: the table is not one of those on offer.

    Example:
        >>> bar(Scale(0.0, 1.0, "positive"), None, (8, 100)).size
        (8, 100)
    """
    width, height = size
    colours = table(colormap or default_for(scale.display))
    if scale.verdict is not None:
        return Image.new("RGB", size, _OUTSIDE)
    length = max(width, height)
    line = colours[np.linspace(0, 255, length).round().astype(np.intp)]
    if height > width:
        pixels = np.repeat(line[::-1, None], width, axis=1)
    else:
        pixels = np.repeat(line[None], height, axis=0)
    return Image.fromarray(pixels)


def covered(size: Size, box: Box | None) -> tuple[int, int, int, int]:
    """The pixels of a picture whose centres lie in a box.

    Args:
        size: (width, height) of the picture.
        box: (left, top, right, bottom) in its pixels, or None for all of it.

    Returns:
        (left, top, right, bottom) in whole pixels, right and bottom excluded, inside the picture.

    Raises:
        ValueError: the box has values that are not finite, or no area.

    Example:
        >>> covered((10, 10), (2.6, -5.0, 7.4, 20.0))
        (3, 0, 7, 10)
    """
    width, height = size
    if box is None:
        return 0, 0, width, height
    left, top, right, bottom = box
    if not (all(map(math.isfinite, box)) and left < right and top < bottom):
        raise ValueError(f"box {box}: give (left, top, right, bottom) with left < right, top < bottom")
    x0, x1 = (min(max(math.ceil(x - 0.5), 0), width) for x in (left, right))
    y0, y1 = (min(max(math.ceil(y - 0.5), 0), height) for y in (top, bottom))
    return x0, y0, x1, y1


def check_interpolation(name: Interpolation) -> Interpolation:
    """Return `name` where it is one of the three.

    Raises:
        ViewError: it is not.

    Example:
        >>> check_interpolation("nearest")
        'nearest'
    """
    if name not in _RESAMPLING:
        names = ", ".join(map(repr, _RESAMPLING))
        raise ViewError(f"interpolation {name!r}: give one of {names}")
    return name


def _resampled(
    levels: npt.NDArray[np.float32], size: Size, box: Box | None, interpolation: Interpolation
) -> npt.NDArray[np.float32]:
    """The map's value at the centre of every covered pixel."""
    check_interpolation(interpolation)
    left, top, right, bottom = box or (0.0, 0.0, float(size[0]), float(size[1]))
    x0, y0, x1, y1 = covered(size, box)
    (pad_x, from_x, to_x), (pad_y, from_y, to_y) = (
        _source(levels.shape[1], left, right, x0, x1),
        _source(levels.shape[0], top, bottom, y0, y1),
    )
    if pad_x or pad_y:
        levels = np.pad(levels, ((pad_y, pad_y), (pad_x, pad_x)), mode="edge")
    values = Image.fromarray(levels).resize(
        (x1 - x0, y1 - y0), _RESAMPLING[interpolation], box=(from_x, from_y, to_x, to_y)
    )
    return np.asarray(values)


def _source(cells: int, low: float, high: float, first: int, last: int) -> tuple[int, float, float]:
    """One axis: how far to extend the map, and the stretch of it under the covered pixels.

    The outermost covered pixels may stick out of the box by half a pixel. Pillow reads only inside
    an image, so the map's edge is repeated just as far as needed.
    """
    per_pixel = cells / (high - low)
    start, stop = (first - low) * per_pixel, (last - low) * per_pixel
    # Under a box thinner than a pixel half a pixel is more than the whole map: one map is enough.
    pad = min(math.ceil(max(-start, stop - cells, 0.0)), cells)
    return pad, max(start + pad, 0.0), min(stop + pad, float(cells + 2 * pad))


def _coloured(levels: npt.NDArray[np.float32], colours: npt.NDArray[np.uint8]) -> Image.Image:
    rows = (np.clip(levels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    indexed = Image.fromarray(rows)
    # Pillow looks a palette up several times faster than numpy gathers rows.
    indexed.putpalette(colours.tobytes())
    return indexed.convert("RGB")


def _drawn(levels: npt.NDArray[np.float32], scale: Scale, threshold: float | None) -> Image.Image | None:
    if threshold is None:
        return None
    check_part("threshold", threshold)
    strength = np.abs(levels - scale.nothing) / (1.0 - scale.nothing)
    return Image.fromarray((strength >= threshold).astype(np.uint8) * 255)
