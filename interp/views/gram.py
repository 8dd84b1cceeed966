"""Gram matrices as pictures: which channels fire together, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import ViewError, same_length
from interp.views.colormaps import default_for, table
from interp.views.page import INCH, PIXELS_PER_INCH, ROOM_FOR_NUMBERS, Page
from interp.views.pictures import place_picture
from interp.views.plots import broken, lines_at
from interp.views.scale import Scale, normalise, shared_limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = npt.NDArray[np.float32]

_MARGIN: Final = 12.0
_GAP: Final = 10.0
_WIDEST_PAGE: Final = 900.0
_LARGEST: Final = 170.0
_SMALLEST: Final = 84.0
_THUMB: Final = 92.0
_BAR: Final = 9.0
# Less than this below 0 is rounding.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class _Row:
    """Matrices on one scale, and what they belong to."""

    matrices: list[Values]
    name: str
    view: Image.Image | None
    scale: Scale


def gram_figure(
    rows: Sequence[Sequence[npt.ArrayLike]],
    *,
    layers: Sequence[str],
    pictures: Sequence[str],
    views: Sequence[Image.Image] = (),
    notes: Sequence[str] = (),
    heading: str = "",
    note: str = "",
) -> Figure:
    """Cosine matrices: pictures in rows, layers in columns, and below two pictures their difference.

    All matrices have one scale, 0 to 1, or -1 to 1 where there are negative values. The differences, second
    picture minus first, have one of their own, with zero in the white middle. Where a matrix has more
    channels than pixels, they are averaged.

    Args:
        rows: for each picture a matrix (channels, channels) of each layer, in the order to be drawn.
        layers: names of the layers.
        pictures: names of the pictures.
        views: the pictures, or none at all.
        notes: a line under each layer's name, or none at all.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no matrix, one is not square, or names, pictures and notes do not agree with them.

    Example:
        >>> figure = gram_figure([[np.eye(3)], [np.eye(3)]], layers=["conv1"], pictures=["cat", "dog"])
        >>> [text.get_text() for text in figure.texts][:4]
        ['conv1', 'cat', 'dog', 'dog − cat']
    """
    drawn = _rows(rows, layers, pictures, views)
    if notes:
        same_length("notes", len(notes), len(layers), "layers")
    left = _MARGIN + _THUMB + _GAP
    beside = 6 + _BAR + ROOM_FOR_NUMBERS + 14
    room = (_WIDEST_PAGE - left - beside - _MARGIN + _GAP) / len(layers) - _GAP
    side = min(max(room, _SMALLEST), _LARGEST)
    right = left + len(layers) * (side + _GAP) - _GAP
    said = broken(note, 8.5, right - _MARGIN, 2) if note else []
    top = _MARGIN + (22 if heading else 0) + 12 * len(said) + 18 + (11 if notes else 0)
    page = Page(right + beside + _MARGIN, top + len(drawn) * (side + _GAP) - _GAP + _MARGIN)
    if heading:
        page.text(_MARGIN, _MARGIN + 7, heading, 12, page.width - 2 * _MARGIN, bold=True)
    lines_at(page, _MARGIN, _MARGIN + (22 if heading else 0), said, 8.5, right - _MARGIN, muted=True)
    for place, name in enumerate(layers):
        x = left + place * (side + _GAP) + side / 2
        page.text(x, top - (18 if notes else 7), name, 9, side, bold=True, across="center")
        if notes:
            page.text(x, top - 7, notes[place], 8, side, muted=True, across="center")
    for number, row in enumerate(drawn):
        y = top + number * (side + _GAP)
        _draw_name(page, row, y, side)
        for place, matrix in enumerate(row.matrices):
            shown = _coloured(matrix, row.scale, side)
            place_picture(page, shown, left + place * (side + _GAP), y, side, side)
    _draw_bars(page, drawn, right + 6, top, side)
    return page.figure


def _rows(
    rows: Sequence[Sequence[npt.ArrayLike]],
    layers: Sequence[str],
    pictures: Sequence[str],
    views: Sequence[Image.Image],
) -> list[_Row]:
    if not rows or not layers:
        raise ViewError("rows: give at least one picture and one layer")
    same_length("pictures", len(pictures), len(rows), "rows")
    if views:
        same_length("views", len(views), len(rows), "rows")
    matrices = [[as_square(m, f"rows[{r}][{c}]") for c, m in enumerate(row)] for r, row in enumerate(rows)]
    for number, row in enumerate(matrices):
        same_length(f"rows[{number}]", len(row), len(layers), "layers")
    signed = any(float(m.min()) < -_ROUNDING for row in matrices for m in row)
    scale = Scale(-1.0, 1.0, "signed") if signed else Scale(0.0, 1.0, "positive")
    drawn = [
        _Row(row, pictures[number], views[number] if views else None, scale)
        for number, row in enumerate(matrices)
    ]
    if len(matrices) == 2:
        drawn.append(_difference(matrices, f"{pictures[1]} \N{MINUS SIGN} {pictures[0]}"))
    return drawn


def _difference(matrices: list[list[Values]], name: str) -> _Row:
    for number, (one, other) in enumerate(zip(*matrices, strict=True)):
        same_length(f"rows[1][{number}]", len(other), len(one), "channels of rows[0]")
    apart = [other - one for one, other in zip(*matrices, strict=True)]
    limits = shared_limits(apart, "signed") or (-1.0, 1.0)
    return _Row(apart, name, None, Scale(*limits, "signed"))


def as_square(value: npt.ArrayLike, name: str) -> Values:
    """A finite square matrix as float32.

    Args:
        value: numbers, (n, n).
        name: of the argument, for the message.

    Raises:
        ViewError: it is not square, is empty, or has values that are not finite.

    Example:
        >>> as_square([[1]], "rows[0][0]").shape
        (1, 1)
    """
    array = np.asarray(value, dtype=np.float32)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise ViewError(f"{name}: shape {array.shape}; give a square matrix")
    if not np.isfinite(array).all():
        raise ViewError(f"{name}: has values that are not finite (NaN or infinity)")
    return array


def _coloured(matrix: Values, scale: Scale, side: float) -> Image.Image:
    """A matrix in colours: more values than pixels are averaged before they have any."""
    pixels = round(side * PIXELS_PER_INCH / INCH)
    if len(matrix) > pixels:
        averaged = Image.fromarray(matrix).resize((pixels, pixels), Image.Resampling.BOX)
        matrix = np.asarray(averaged, dtype=np.float32)
    levels = np.rint(255 * normalise(matrix, scale)).astype(np.uint8)
    return Image.fromarray(table(default_for(scale.display))[levels])


def _draw_name(page: Page, row: _Row, top: float, side: float) -> None:
    """A row's picture with its name under it, in the middle of the row."""
    wide = _THUMB - 4
    high = 0.0 if row.view is None else min(wide * row.view.height / row.view.width, side - 26)
    lines = broken(row.name, 8.5, _THUMB, 2 if row.view else 3)
    y = top + (side - high - 11 * len(lines) - (4 if high else 0)) / 2
    if row.view is not None:
        place_picture(page, row.view, _MARGIN, y, wide, high)
        y += high + 4
    lines_at(page, _MARGIN + wide / 2, y, lines, 8.5, _THUMB, centred=True)


def _draw_bars(page: Page, drawn: list[_Row], left: float, top: float, side: float) -> None:
    split = len(drawn) == 3 and drawn[2].scale is not drawn[0].scale
    together = 2 if split else len(drawn)
    high = min(together * (side + _GAP) - _GAP, 2 * _LARGEST)
    page.bar(left, top, _BAR, high, drawn[0].scale, None, "cosine of two channels")
    if split:
        y = top + 2 * (side + _GAP)
        page.bar(left, y, _BAR, side, drawn[2].scale, None, "difference")
