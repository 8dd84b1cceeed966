"""The three panels as a matplotlib figure: vector text and a real scale bar, for talks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy.typing as npt
from PIL import Image

from interp.views.frames import cell_size
from interp.views.overlay import Box, Interpolation
from interp.views.page import INCH, PIXELS_PER_INCH, ROOM_FOR_NUMBERS, Page, label_room, lines_of, say_on
from interp.views.scale import Display, Scale
from interp.views.three import three_views

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# The caption's font, and how far its lines are from each other.
_CAPTION, _LINE = 9.0, 12.5


def three_panel_figure(
    picture: Image.Image,
    map: npt.ArrayLike,
    *,
    title: str,
    caption: str = "",
    box: Box | None = None,
    display: Display = "positive",
    scale: Scale | None = None,
    opacity: float = 0.6,
    colormap: str | None = None,
    threshold: float | None = None,
    interpolation: Interpolation = "bilinear",
    outlines: Sequence[Box] = (),
    regions: Sequence[npt.ArrayLike] = (),
    bar_label: str = "",
    height: float = 2.8,
) -> Figure:
    """Picture | map | overlay with a labelled scale bar, as a figure.

    Args:
        picture: the original, any size.
        map: raw values, (height, width).
        title: one line above; shortened where too long.
        caption: under the title; of as many lines as it needs, three at most.
        box: what the map covers of the picture, as in `overlay`.
        display: which part of the values is drawn. A `scale` has its own.
        scale: the range to draw; `Scale.of(map, display)` where None.
        opacity: share of the heat in the overlay, 0 to 1.
        colormap: a key of `COLORMAPS`; the display's default where None.
        threshold: part of the maximum, 0 to 1, under which the overlay has no heat.
        interpolation: how values between the map's positions are found.
        outlines: boxes of the picture, in its pixels, that get a line round them; not on the map.
        regions: each true inside, (H, W), on what the map covers, that get a line round them as well.
        bar_label: beside the scale bar, as "Grad-CAM, raw"; of three lines at most.
        height: of each of the three pictures, in inches; at least 1.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> cat = Image.new("RGB", (64, 64), "orange")
        >>> len(three_panel_figure(cat, [[0.0, 1.0]], title="tabby").axes)
        4
    """
    if height < 1:
        raise ValueError(f"height {height}: give at least 1 inch, or no word can be read")
    scale = scale or Scale.of(map, display)
    cell = cell_size(picture, round(height * PIXELS_PER_INCH))
    views = three_views(
        picture,
        map,
        cell,
        scale,
        box=box,
        opacity=opacity,
        colormap=colormap,
        threshold=threshold,
        interpolation=interpolation,
        outlines=outlines,
        regions=regions,
    )
    high = height * INCH
    wide, margin, gap = high * cell[0] / cell[1], 12.0, 7.0
    bar_left = margin + 3 * (wide + gap)
    right = bar_left + 9 + ROOM_FOR_NUMBERS + label_room(bar_label, high)
    lines = lines_of(caption, _CAPTION, right - margin)
    more = (lines - 1) * _LINE
    head = margin + 20 + (15 + more if caption else 0)
    page = Page(right + margin, head + high + margin)
    page.text(margin, margin + 7, title, 12.5, right - margin, bold=True)
    if caption:
        middle = margin + 25 + more / 2
        page.text(margin, middle, caption, _CAPTION, right - margin, lines=lines, muted=True)
    for index, view in enumerate(views):
        axes = page.picture(margin + index * (wide + gap), head, wide, high, view)
        if scale.verdict is not None and index > 0:
            say_on(axes, scale.verdict, wide, 9, "middle" if index == 1 else "below")
    page.bar(bar_left, head, 9, high, scale, colormap, bar_label)
    return page.figure
