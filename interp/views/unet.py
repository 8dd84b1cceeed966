"""The U of a network with a picture in every level: down on the left, up on the right, skips across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy.typing as npt
from PIL import Image

from interp.views.channels import said_range
from interp.views.checks import ViewError
from interp.views.colormaps import check_colormap, default_for
from interp.views.overlay import heat, overlay
from interp.views.page import INCH, PIXELS_PER_INCH, Page
from interp.views.pictures import place_picture
from interp.views.plots import broken, lines_at
from interp.views.scale import Display, Scale
from interp.views.unet_arrows import HEAD, Place, Row, draw_arrows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Narrow enough that a telephone shows its words.
_WIDTH: Final = 400.0
_MARGIN: Final = 12.0
_BOX: Final = 124.0
_LEAST: Final = 0.66
_INWARDS: Final = 36.0
_GAP: Final = 32.0
_STRIP: Final = 3.0
_COLOURS: Final = 64
_SENSE: Final = {
    "positive": "each map on its own scale from 0",
    "signed": "each map on its own scale, white is 0, blue below and red above",
    "range": "each map on its own scale from its lowest to its highest value",
}


@dataclass(frozen=True, eq=False)
class UBox:
    """One tensor of the U.

    Attributes:
        name: of the layer; the end of a long one is shown.
        shape: (channels, height, width) of its output.
        values: the map that is drawn, raw, (height, width).
    """

    name: str
    shape: tuple[int, int, int]
    values: npt.ArrayLike


@dataclass(frozen=True, eq=False)
class ULevel:
    """One row of the U; `None` where there is no layer, and the picture has the place if it is the first row.

    Attributes:
        encoder: on the left.
        decoder: on the right.
        skip: whether an arrow leads from left to right.
        share: of the skip in what is joined, 0 … 1; the thickness of its arrow. `None` where nobody asked.
        note: a few words under the arrow, as what is lost without the skip.
        up: how the grid of the decoder is made out of the one below: "pixel shuffle".
    """

    encoder: UBox | None
    decoder: UBox | None
    skip: bool = False
    share: float | None = None
    note: str = ""
    up: str = ""


def u_figure(
    picture: Image.Image,
    levels: Sequence[ULevel],
    bottleneck: UBox,
    *,
    display: Display = "range",
    over: bool = False,
    colormap: str | None = None,
    heading: str = "",
    legend: str = "",
    words: bool = True,
) -> Figure:
    """The U that everybody knows, with a map, the layer's name and the tensor's size in every box.

    Args:
        picture: what the network saw, which the maps cover.
        levels: from the finest grid to the coarsest but one.
        bottleneck: the coarsest grid.
        display: which part of the values is drawn, of all maps alike; each on its own scale.
        over: draw the maps over the picture.
        colormap: a key of `COLORMAPS`; the display's default where None.
        heading: one line above.
        legend: what the shares are of, said below it.
        words: say in English what the colours mean, which arrow is a skip, and why a map has no colours.
            Without them a page can say it in another language, whose letters the figure's font may lack.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no level, or one without any box.

    Example:
        >>> street = Image.new("RGB", (64, 48), "grey")
        >>> level = ULevel(UBox("down", (8, 2, 2), np.eye(2)), UBox("up", (8, 2, 2), np.eye(2)), skip=True)
        >>> figure = u_figure(street, [level], UBox("bottom", (16, 1, 1), [[1.0]]))
        >>> [text.get_text() for text in figure.texts if "×" in text.get_text()]
        ['8 × 2 × 2', '8 × 2 × 2', '16 × 1 × 1']
    """
    if not levels:
        raise ViewError("levels: give at least one")
    if any(level.encoder is None and level.decoder is None for level in levels[1:]):
        raise ViewError("levels: each needs an encoder or a decoder")
    rows = list(levels) if levels[0].encoder is None else [ULevel(None, None), *levels]
    said = (
        broken("\n".join(filter(None, [_SENSE[display], legend])), 8, _WIDTH - 2 * _MARGIN, 5)
        if words
        else []
    )
    top = _MARGIN + (18 if heading else 0) + 11 * len(said) + 8
    places, foot = _placed(len(rows), top, picture.height / picture.width)
    page = Page(_WIDTH, foot + 6 + _MARGIN)
    page.text(_MARGIN, _MARGIN + 5, heading, 11, _WIDTH - 2 * _MARGIN, bold=True)
    lines_at(page, _MARGIN, _MARGIN + (18 if heading else 0), said, 8, _WIDTH - 2 * _MARGIN, muted=True)
    style = (picture if over else None, display, colormap, words)
    for number, (row, (left, right)) in enumerate(zip(rows, places[:-1], strict=True)):
        if number == 0:
            _draw_words(page, left, "picture" if words else "", f"{picture.height} × {picture.width}", "")
            place_picture(page, picture, left.left, left.top, left.width, left.height)
        if row.encoder is not None:
            _draw_box(page, left, row.encoder, *style)
        if row.decoder is not None:
            _draw_box(page, right, row.decoder, *style)
    _draw_box(page, places[-1][0], bottleneck, *style)
    draw_arrows(page, [_arrow(row, words) for row in rows], places)
    return page.figure


def _arrow(level: ULevel, words: bool) -> Row:
    share = "" if level.share is None else f"{100 * level.share:.0f} %"
    title = f"skip {share}".strip() if words else share
    return Row(
        level.encoder is not None,
        level.decoder is not None,
        level.skip,
        level.share,
        title,
        level.note if words else "",
        level.up if words else "",
    )


def _placed(rows: int, top: float, aspect: float) -> tuple[list[tuple[Place, Place]], float]:
    """The places of all rows and, last, twice that of the bottleneck; and where they end."""
    places: list[tuple[Place, Place]] = []
    for row in range(rows + 1):
        part = row / rows
        slot = _BOX * (1 - (1 - _LEAST) * part)
        # High pictures are narrower, and still have room for the words.
        width = slot / max(aspect, 1.0)
        height, edge = width * aspect, _MARGIN + _INWARDS * part + (slot - width) / 2
        top += HEAD
        left = Place(edge, top, width, height)
        right = Place(_WIDTH - edge - width, top, width, height)
        if row == rows:
            left = right = Place((_WIDTH - width) / 2, top, width, height)
        places.append((left, right))
        top += height + _GAP
    return places, top - _GAP


def _draw_box(
    page: Page,
    place: Place,
    box: UBox,
    picture: Image.Image | None,
    display: Display,
    colormap: str | None,
    words: bool,
) -> None:
    scale = Scale.of(box.values, display)
    # As many as the page prints, so that nothing blurs the cells.
    width, height = (max(round(side * PIXELS_PER_INCH / INCH), 1) for side in (place.width, place.height))
    if picture is None:
        # Cell by cell: how coarse a level is, is half of what this figure shows.
        shown = heat(box.values, scale, (width, height), colormap, "nearest")
    else:
        shown = overlay(
            picture.resize((width, height)), box.values, scale=scale, colormap=colormap, words=False
        )
    place_picture(page, shown, place.left, place.top, place.width, place.height)
    if scale.verdict is None:
        _draw_strip(page, place, display, colormap)
    values = said_range(scale) if words or scale.verdict is None else ""
    _draw_words(page, place, box.name, " × ".join(map(str, box.shape)), values)


def _draw_strip(page: Page, place: Place, display: Display, colormap: str | None) -> None:
    """The colours of the scale, under the picture, from its lowest to its highest value."""
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    name = check_colormap(colormap or default_for(display))
    top, wide = place.top + place.height + 2, place.width / _COLOURS
    cells = [
        Rectangle(
            ((place.left + i * wide) / page.width, 1 - (top + _STRIP) / page.height),
            wide / page.width,
            _STRIP / page.height,
        )
        for i in range(_COLOURS)
    ]
    colours = colormaps[name]([i / (_COLOURS - 1) for i in range(_COLOURS)])
    page.figure.add_artist(
        PatchCollection(
            cells, facecolors=colours, edgecolors="face", linewidths=0.1, transform=page.figure.transFigure
        )
    )


def _draw_words(page: Page, place: Place, name: str, size: str, values: str) -> None:
    room = max(place.width, 116.0)
    x, _ = place.middle
    short = name if len(name) <= 20 else f"…{name[-19:]}"
    page.text(x, place.top - 19, short, 9, room, bold=True, across="center")
    page.text(x, place.top - 7, size, 8.5, room, across="center")
    if values:
        page.text(x, place.top + place.height + 11, values, 7.5, room, muted=True, across="center")
