"""Picture, map and overlay side by side, with words and a scale bar: fast, for bulk reports."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy.typing as npt
from PIL import Image, ImageDraw

from interp.views.frames import cell_size
from interp.views.overlay import Box, Interpolation, bar
from interp.views.scale import Display, Scale, number
from interp.views.text import INK, MUTED, PAPER, balanced, font, say, shorten
from interp.views.three import three_views


def three_panel(
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
    height: int = 224,
    caption_lines: int = 1,
) -> Image.Image:
    """Picture | map | overlay, with a title, a caption and the range that the colours stand for.

    Panels of one height and one shape of picture have one size, whatever their texts.

    Args:
        picture: the original, any size.
        map: raw values, (height, width).
        title: one line above, as "tiger cat  71.3 %"; shortened where too long.
        caption: under the title, as "Grad-CAM · blocks.6 · 7x7"; shortened where too long.
        box: what the map covers of the picture, as in `overlay`.
        display: which part of the values is drawn. A `scale` has its own.
        scale: the range to draw; `Scale.of(map, display)` where None.
        opacity: share of the heat in the overlay, 0 to 1.
        colormap: a key of `COLORMAPS`; the display's default where None.
        threshold: part of the maximum, 0 to 1, under which the overlay has no heat.
        interpolation: how values between the map's positions are found.
        outlines: boxes of the picture, in its pixels, that get a line round them; not on the map.
        regions: each true inside, (H, W), on what the map covers, that get a line round them as well.
        height: of each of the three pictures, in pixels; at least 64. Texts grow with it.
        caption_lines: at most so many has the caption; each that it needs beyond the first makes the panel
            higher.

    Returns:
        An RGB picture. With a verdict, the map has one colour and both it and the overlay say why.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> cat = Image.new("RGB", (64, 64), "orange")
        >>> three_panel(cat, [[0.0, 1.0]], title="tabby  98 %").mode
        'RGB'
    """
    if height < 64:
        raise ValueError(f"height {height}: give at least 64, or no word can be read")
    scale = scale or Scale.of(map, display)
    cell = cell_size(picture, height)
    cells = three_views(
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
    if scale.verdict is not None:
        # On the cells, as a picture may be a strip with no room for a word.
        cells[1:] = say(cells[1], scale.verdict, "middle"), say(cells[2], scale.verdict)
    return _laid_out(cells, scale, colormap, title, caption, caption_lines)


def _laid_out(
    cells: list[Image.Image], scale: Scale, colormap: str | None, title: str, caption: str, most: int
) -> Image.Image:
    width, height = cells[0].size
    margin, gap = height // 14, height // 28
    title_size, size = max(height // 13, 11), max(height // 18, 10)
    large, plain = font(title_size, bold=True), font(size)
    title_height, line_height = round(title_size * 1.5), round(size * 1.6)
    bar_width = max(height // 20, 6)
    bar_left = margin + 3 * width + 3 * gap
    # As wide as the widest number, so that panels of one report line up.
    labels = bar_left + bar_width + gap // 2 + 1
    right = labels + round(plain.getlength(f"≥ {number(-1.23e-10)}"))
    room = right - margin
    lines = balanced(caption, plain, room, most)
    head = margin + title_height + line_height * max(len(lines), int(bool(caption))) + gap // 2
    canvas = Image.new("RGB", (right + margin // 2, head + height + margin), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((margin, margin + title_height / 2), shorten(title, large, room), INK, large, anchor="lm")
    for index, line in enumerate(lines):
        middle = margin + title_height + line_height * (index + 0.5)
        draw.text((margin, middle), line, MUTED, plain, anchor="lm")
    for index, cell in enumerate(cells):
        canvas.paste(cell, (margin + index * (width + gap), head))
    canvas.paste(bar(scale, colormap, (bar_width, height)), (bar_left, head))
    for value, part in bar_labels(scale):
        anchor = {0.0: "ls", 0.5: "lm", 1.0: "la"}[part]
        draw.text((labels, head + height * (1 - part)), value, INK, plain, anchor=anchor)
    return canvas


def bar_labels(scale: Scale) -> list[tuple[str, float]]:
    """The numbers of a scale bar and where they stand, from 0 (low) to 1 (high).

    Example:
        >>> bar_labels(Scale(0.0, 2.0, "positive"))
        [('0', 0.0), ('1', 0.5), ('2', 1.0)]
    """
    if math.isnan(scale.low):
        return []
    if scale.low == scale.high:
        return [(number(scale.low), 0.5)]
    if scale.verdict is not None:
        return [(number(scale.low), 0.0), (number(scale.high), 1.0)]
    low, high = scale.ends
    return [(low, 0.0), (number((scale.low + scale.high) / 2), 0.5), (high, 1.0)]
