"""What one position of a layer sees, on the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from interp.views.frames import fit, scaled_box
from interp.views.overlay import Box
from interp.views.overlay import covered as pixels_covered
from interp.views.page import Page
from interp.views.plots import LINE_HEIGHT, ORANGE, broken, lines_at
from interp.views.scale import as_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN: Final = 12.0
_HIGH: Final = 300.0
_PIXELS: Final = 900
# In pixels of the network's input.
_LATTICE: Final = 8


def receptive_field_figure(
    picture: Image.Image,
    weights: npt.ArrayLike,
    *,
    covered: Box,
    box: Box,
    core: Box | None = None,
    heading: str = "",
    note: str = "",
) -> Figure:
    """The box that a position sees, with more light on the pixels that count more.

    Args:
        picture: the original, any size.
        weights: of each pixel of the network's input, (height, width), 0 and more.
        covered: (left, top, right, bottom) of what the weights cover, in the picture's pixels.
        box: what the position sees, in the picture's pixels; drawn as a line, cut off at its border.
        core: where most of the weight lies; drawn as a dashed line.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ValueError: the weights are no map, or a box has no area.

    Example:
        >>> grey = Image.new("RGB", (64, 64), "grey")
        >>> figure = receptive_field_figure(grey, np.eye(4), covered=(0, 0, 64, 64), box=(8, 8, 40, 40))
    """
    small = fit(picture, (_PIXELS, _PIXELS))
    drawn = lit(small, weights, scaled_box(covered, picture.size, small.size))
    zoom = min(_HIGH / small.height, 1.6 * _HIGH / small.width)
    wide, high = small.width * zoom, small.height * zoom
    right = _MARGIN + max(wide, 300.0)
    said = broken(note, 8.5, right - _MARGIN, 2) if note else []
    legend = "line: all that is seen" + (" \N{MIDDLE DOT} dashed: 90 % of the weight" if core else "")
    top = _MARGIN + (20 if heading else 0) + len(said) * 8.5 * LINE_HEIGHT + (6 if said else 0)
    page = Page(right + _MARGIN, top + high + 20 + _MARGIN)
    page.text(_MARGIN, _MARGIN + 7, heading, 12, right - _MARGIN, bold=True)
    lines_at(page, _MARGIN, _MARGIN + (20 if heading else 0), said, 8.5, right - _MARGIN, muted=True)
    axes = page.picture(_MARGIN, top, wide, high, drawn)
    _outline(axes, _inside(scaled_box(box, picture.size, small.size), small), "solid")
    if core is not None:
        _outline(axes, _inside(scaled_box(core, picture.size, small.size), small), "dashed")
    lines_at(
        page,
        _MARGIN,
        top + high + 6,
        [f"light: weight \N{MIDDLE DOT} {legend}"],
        8,
        right - _MARGIN,
        muted=True,
    )
    return page.figure


def lit(picture: Image.Image, weights: npt.ArrayLike, covered: Box | None = None) -> Image.Image:
    """The picture, bright where the weight is, dark where none is, grey where the network sees nothing.

    Args:
        picture: any size.
        weights: of each pixel of the network's input, (height, width), 0 and more.
        covered: (left, top, right, bottom) of what the weights cover, in the picture's pixels; None for all.

    Returns:
        A new RGB picture of that size.

    Raises:
        ValueError: the weights are no map, or the box has no area.

    Example:
        >>> lit(Image.new("RGB", (64, 64), "white"), np.pad([[1.0]], 1)).getpixel((0, 0))
        (114, 114, 114)
    """
    weights = as_map(weights)
    left, top, _, _ = inside = pixels_covered(picture.size, covered)
    # Strides leave a lattice in the weights, which is no part of what is seen.
    region = picture.crop(inside)
    height, width = weights.shape
    coarse = max(width // _LATTICE, 1), max(height // _LATTICE, 1)
    soft = np.asarray(Image.fromarray(weights).resize(coarse, Image.Resampling.BOX))
    levels = np.sqrt(soft / max(float(soft.max()), 1e-30))
    light = Image.fromarray((255 * levels).astype(np.uint8)).resize(region.size)
    dark = ImageEnhance.Brightness(region).enhance(0.45)
    canvas = ImageEnhance.Brightness(picture.convert("L").convert("RGB")).enhance(0.6)
    canvas.paste(Image.composite(region, dark, light), (left, top))
    return canvas


def _inside(box: Box | None, picture: Image.Image) -> Box:
    assert box is not None
    # A line on the very border would be half as thick.
    right, bottom = picture.width - 1.5, picture.height - 1.5
    return max(box[0], 0.5), max(box[1], 0.5), min(box[2], right), min(box[3], bottom)


def _outline(axes: Axes, box: Box, style: str) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = np.array(box) - 0.5
    # Dark under bright: seen on any picture.
    for colour, width in (("black", 3.2), (ORANGE, 1.6)):
        axes.add_patch(
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                edgecolor=colour,
                linewidth=width,
                linestyle=style,
            )
        )
