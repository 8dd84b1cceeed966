"""The U of a network with a picture in every level: down on the left, up on the right, skips across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy.typing as npt
from PIL import Image

from interp.views.channels import said_range
from interp.views.checks import ViewError
from interp.views.overlay import heat, overlay
from interp.views.page import INCH, PIXELS_PER_INCH, Page
from interp.views.pictures import place_picture
from interp.views.plots import BLUE, LINE, broken, lines_at
from interp.views.scale import Display, Scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Narrow enough that a telephone shows its words.
_WIDTH: Final = 400.0
_MARGIN: Final = 12.0
_BOX: Final = 124.0
_LEAST: Final = 0.66
_INWARDS: Final = 36.0
_WORDS: Final = 26.0
_GAP: Final = 27.0
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
    """

    encoder: UBox | None
    decoder: UBox | None
    skip: bool = False


@dataclass(frozen=True)
class _Place:
    """Where a picture and its words lie, in points."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


def u_figure(
    picture: Image.Image,
    levels: Sequence[ULevel],
    bottleneck: UBox,
    *,
    display: Display = "range",
    over: bool = False,
    colormap: str | None = None,
    heading: str = "",
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
    said = broken(_SENSE[display], 8, _WIDTH - 2 * _MARGIN, 2) if words else []
    top = _MARGIN + (18 if heading else 0) + 11 * len(said) + 8
    places, foot = _placed(len(rows), top, picture.height / picture.width)
    page = Page(_WIDTH, foot + _MARGIN)
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
    _draw_arrows(page, rows, places, "skip" if words else "")
    return page.figure


def _placed(rows: int, top: float, aspect: float) -> tuple[list[tuple[_Place, _Place]], float]:
    """The places of all rows and, last, twice that of the bottleneck; and where they end."""
    places: list[tuple[_Place, _Place]] = []
    for row in range(rows + 1):
        part = row / rows
        slot = _BOX * (1 - (1 - _LEAST) * part)
        # High pictures are narrower, and still have room for the words.
        width = slot / max(aspect, 1.0)
        height, edge = width * aspect, _MARGIN + _INWARDS * part + (slot - width) / 2
        top += _WORDS
        left = _Place(edge, top, width, height)
        right = _Place(_WIDTH - edge - width, top, width, height)
        if row == rows:
            left = right = _Place((_WIDTH - width) / 2, top, width, height)
        places.append((left, right))
        top += height + _GAP
    return places, top - _GAP


def _draw_box(
    page: Page,
    place: _Place,
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
    values = said_range(scale) if words or scale.verdict is None else ""
    _draw_words(page, place, box.name, " × ".join(map(str, box.shape)), values)


def _draw_words(page: Page, place: _Place, name: str, size: str, values: str) -> None:
    room = max(place.width, 116.0)
    x, _ = place.middle
    short = name if len(name) <= 20 else f"…{name[-19:]}"
    page.text(x, place.top - 19, short, 9, room, bold=True, across="center")
    page.text(x, place.top - 7, size, 8.5, room, across="center")
    if values:
        page.text(x, place.top + place.height + 7, values, 7.5, room, muted=True, across="center")


def _draw_arrows(
    page: Page, rows: Sequence[ULevel], places: Sequence[tuple[_Place, _Place]], skip: str
) -> None:
    bottom = places[-1][0]
    beside = list(zip(rows, places, strict=False))
    down = [left for number, (row, (left, _)) in enumerate(beside) if row.encoder or number == 0]
    up = [right for row, (_, right) in beside if row.decoder]
    for upper, lower in pairwise(down):
        _draw_arrow(page, _under(upper), _over(lower))
    for upper, lower in pairwise(up):
        _draw_arrow(page, _over(lower), _under(upper))
    edge, y = bottom.left, bottom.middle[1]
    _draw_arrow(page, _under(down[-1]), (edge - 5, y))
    if up:
        _draw_arrow(page, (edge + bottom.width + 5, y), _under(up[-1]))
    across = [(left, right) for row, (left, right) in beside if row.skip]
    for number, (left, right) in enumerate(across):
        start, end, y = left.left + left.width + 5, right.left - 5, left.middle[1]
        _draw_arrow(page, (start, y), (end, y), BLUE)
        if number == 0:
            page.text((start + end) / 2, y - 7, skip, 8.5, 80, across="center")


def _under(place: _Place) -> tuple[float, float]:
    return place.middle[0], place.top + place.height + 13


def _over(place: _Place) -> tuple[float, float]:
    return place.middle[0], place.top - _WORDS + 1


def _draw_arrow(page: Page, start: tuple[float, float], end: tuple[float, float], colour: str = LINE) -> None:
    from matplotlib.patches import FancyArrowPatch

    ends = [(x / page.width, 1 - y / page.height) for x, y in (start, end)]
    page.figure.add_artist(
        FancyArrowPatch(
            *ends,
            transform=page.figure.transFigure,
            arrowstyle="-|>",
            mutation_scale=8,
            linewidth=1.2,
            shrinkA=0,
            shrinkB=0,
            color=colour,
        )
    )
