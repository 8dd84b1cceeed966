"""Many small pictures on one even sheet; what failed says so in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from interp.views.frames import fit, letterbox
from interp.views.text import INK, MUTED, PAPER, font, shorten, wrap

_GREY: Final = (226, 226, 226)
_MOST_COLUMNS: Final = 8


@dataclass(frozen=True)
class Tile:
    """One place on the sheet.

    Attributes:
        picture: what to show, as an overlay; None shows a grey tile.
        title: one line under it, as the name of the file.
        caption: a second line, as what the model said; for a failed one the reason.
        failed: draw a grey tile with the reason in words in place of the picture.
    """

    picture: Image.Image | None
    title: str
    caption: str = ""
    failed: bool = False


def contact_sheet(
    tiles: Sequence[Tile],
    columns: int | None = None,
    tile: int = 192,
    *,
    title: str = "",
    max_tiles: int = 400,
) -> Image.Image:
    """An even grid of small pictures with two lines of words under each.

    Pictures are shown whole, in the middle of square tiles. Words that do not fit are shortened.

    Args:
        tiles: what to show, in reading order.
        columns: how many beside each other; about as many as rows, and at most 8, where None.
        tile: side of a tile, in pixels; at least 48.
        title: one line above the sheet.
        max_tiles: show no more than so many, and count the others in a last line.

    Returns:
        An RGB picture.

    Raises:
        ValueError: `columns` or `max_tiles` is below 1, or `tile` below 48.

    Example:
        >>> cat = Image.new("RGB", (64, 48), "orange")
        >>> contact_sheet([Tile(cat, "cat.jpg", "tabby"), Tile(None, "b.jpg", "empty", True)]).mode
        'RGB'
    """
    for name, value, least in (
        ("columns", columns, 1),
        ("tile", tile, 48),
        ("max_tiles", max_tiles, 1),
    ):
        if value is not None and value < least:
            raise ValueError(f"{name} {value}: give at least {least}")
    shown, more = tiles[:max_tiles], max(len(tiles) - max_tiles, 0)
    columns = columns or min(max(math.ceil(math.sqrt(len(shown) * 1.2)), 1), _MOST_COLUMNS)
    rows = math.ceil(len(shown) / columns)
    gap = max(tile // 16, 6)
    face = font(max(tile // 16, 9))
    line = round(face.getbbox("Ág")[3] * 1.3)
    head = line * 2 if title else 0
    step = tile + 2 * line + gap
    foot = line * 2 if more or not shown else 0
    canvas = Image.new("RGB", (gap + columns * (tile + gap), gap + head + rows * step + foot), PAPER)
    draw = ImageDraw.Draw(canvas)
    room = canvas.width - 2 * gap
    if title:
        large = font(max(tile // 13, 11), bold=True)
        draw.text((gap, gap + line * 0.7), shorten(title, large, room), INK, large, anchor="lm")
    for index, item in enumerate(shown):
        row, column = divmod(index, columns)
        _draw_tile(canvas, item, gap + column * (tile + gap), gap + head + row * step, tile, line)
    if foot:
        last = f"… and {more} more" if more else "no pictures"
        draw.text((gap, canvas.height - line), shorten(last, face, room), MUTED, face, anchor="lm")
    return canvas


def _draw_tile(canvas: Image.Image, item: Tile, left: int, top: int, side: int, line: int) -> None:
    draw = ImageDraw.Draw(canvas)
    plain, bold = font(max(side // 16, 9)), font(max(side // 16, 9), bold=True)
    if item.failed or item.picture is None:
        draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_GREY)
        reason = wrap(item.caption or "no picture", plain, side * 0.86, (side - 2 * line) // line)
        for index, text in enumerate(reason):
            middle = top + side / 2 + line * (index - (len(reason) - 1) / 2)
            draw.text((left + side / 2, middle), text, INK, plain, anchor="mm")
    else:
        small = letterbox(fit(item.picture, (side, side)), (side, side), _GREY)
        canvas.paste(small, (left, top))
    below = top + side + line * 0.6
    caption = "failed" if item.failed else item.caption
    draw.text((left, below), shorten(item.title, bold, side), INK, bold, anchor="lm")
    draw.text((left, below + line), shorten(caption, plain, side), MUTED, plain, anchor="lm")
