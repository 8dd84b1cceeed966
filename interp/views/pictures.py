"""Pictures of any sizes in an even grid with words: batches, augmentations, samples, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import ViewError, as_picture, same_length
from interp.views.frames import fit
from interp.views.page import INCH, PIXELS_PER_INCH, Page
from interp.views.plots import LINE_HEIGHT, RIGHT, WRONG, broken, lines_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mark = Literal["right", "wrong", ""]

_SIGNS: Final = {
    "right": ("\N{CHECK MARK} ", RIGHT),
    "wrong": ("\N{BALLOT X} ", WRONG),
    "": ("", None),
}
_MARGIN: Final = 12.0
_GAP: Final = 8.0
_WIDEST_PAGE: Final = 900.0
_CELL: Final = 150.0
_SMALLEST_CELL: Final = 56.0
_TITLE: Final = 8.0
_MOST_LINES: Final = 3
# Enlarged so much, smoothing would invent what the pixels do not show.
_ENLARGED: Final = 2.0


@dataclass(frozen=True)
class _Cell:
    """One place of the grid."""

    picture: Image.Image | None
    title: str
    mark: Mark


def picture_grid(
    rows: Sequence[Sequence[npt.ArrayLike | None]],
    *,
    titles: Sequence[Sequence[str]] | None = None,
    marks: Sequence[Sequence[Mark]] | None = None,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    heading: str = "",
    note: str = "",
) -> Figure:
    r"""Pictures in rows and columns, each whole, never distorted, with a title above it.

    All cells have one shape, that of the middle picture by shape. Small pictures are enlarged pixel
    by pixel, so that nothing is shown that is not in them.

    Args:
        rows: pictures, uint8 (height, width, 3), of any sizes; None leaves a place empty. A short
            row ends in empty places.
        titles: one for each picture, of at most three lines; "\n" begins a line.
        marks: "right" or "wrong" for each picture puts a sign before its title and colours it.
        row_labels: one for each row, or none at all.
        column_labels: one for each column, or none at all.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, something is not a picture, a mark is unknown, or titles,
            marks or labels do not agree with the pictures.

    Example:
        >>> grey = np.full((8, 8, 3), 128, np.uint8)
        >>> figure = picture_grid([[grey, grey]], titles=[["cat", "dog"]], marks=[["right", "wrong"]])
        >>> [text.get_text() for text in figure.texts if text.get_text()]
        ['✓ cat', '✗ dog']
    """
    cells = _cells(rows, titles, marks)
    columns = max(map(len, cells))
    if row_labels:
        same_length("row_labels", len(row_labels), len(cells), "rows")
    if column_labels:
        same_length("column_labels", len(column_labels), columns, "columns")
    left = _MARGIN + (26 if row_labels else 0)
    wide, high = _cell_size([cell.picture for row in cells for cell in row], left, columns)
    right = max(left + columns * (wide + _GAP) - _GAP, 230.0)
    said = broken(note, 8.5, right - _MARGIN, 2) if note else []
    words = [[_title(cell, wide) for cell in row] for row in cells]
    heads = [max(map(len, row)) * _TITLE * LINE_HEIGHT + (3 if any(row) else 0) for row in words]

    top = _MARGIN + (20 if heading else 0) + len(said) * 8.5 * LINE_HEIGHT + (6 if said else 0)
    names = top + (26 if column_labels else 0)
    page = Page(right + _MARGIN, names + sum(heads) + len(cells) * (high + _GAP) - _GAP + _MARGIN)
    page.text(_MARGIN, _MARGIN + 7, heading, 12, right - _MARGIN, bold=True)
    lines_at(page, _MARGIN, _MARGIN + (20 if heading else 0), said, 8.5, right - _MARGIN, muted=True)
    for index, label in enumerate(column_labels):
        x = left + index * (wide + _GAP) + wide / 2
        page.text(x, names - 5, label, 9, wide, lines=2, across="center", down="bottom")
    y = names
    for index, row in enumerate(cells):
        if row_labels:
            middle = y + heads[index] + high / 2
            page.text(
                _MARGIN + 11, middle, row_labels[index], 9, high, lines=2, across="center", upwards=True
            )
        for place, cell in enumerate(row):
            x = left + place * (wide + _GAP)
            _draw_title(page, cell, words[index][place], x, y + heads[index] - 2, wide)
            if cell.picture is not None:
                place_picture(page, cell.picture, x, y + heads[index], wide, high)
        y += heads[index] + high + _GAP
    return page.figure


def place_picture(
    page: Page, picture: Image.Image, left: float, top: float, width: float, height: float
) -> None:
    """A whole picture in the middle of a rectangle, enlarged pixel by pixel, with a hairline frame.

    Args:
        page: to draw on.
        picture: RGB.
        left: of the rectangle, in points.
        top: of the rectangle, in points.
        width: of the rectangle, in points.
        height: of the rectangle, in points.

    Example:
        >>> page = Page(200, 100)
        >>> place_picture(page, Image.new("RGB", (10, 10)), 0, 0, 200, 100)
        >>> float(page.figure.axes[0].get_position().width)
        0.5
    """
    zoom = min(width / picture.width, height / picture.height)
    # A line of a picture of 1 × 1000 still has a pixel's thickness on the page.
    wide, high = max(picture.width * zoom, 0.5), max(picture.height * zoom, 0.5)
    enlarged = zoom * PIXELS_PER_INCH / INCH >= _ENLARGED
    shown = picture if enlarged else _reduced(picture, wide, high)
    axes = page.axes(left + (width - wide) / 2, top + (height - high) / 2, wide, high)
    axes.imshow(shown, aspect="auto", interpolation="nearest" if enlarged else "antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        # White pictures on white paper would have no end.
        spine.set(color="#BBBBBB", linewidth=0.4)


def _reduced(picture: Image.Image, wide: float, high: float) -> Image.Image:
    """Camera pictures have more pixels than paper shows, and a figure would carry all of them."""
    per_point = PIXELS_PER_INCH / INCH
    cell = max(round(wide * per_point), 1), max(round(high * per_point), 1)
    return fit(picture, cell) if picture.width > cell[0] else picture


def _cells(
    rows: Sequence[Sequence[npt.ArrayLike | None]],
    titles: Sequence[Sequence[str]] | None,
    marks: Sequence[Sequence[Mark]] | None,
) -> list[list[_Cell]]:
    for name, given in (("titles", titles), ("marks", marks)):
        if given is None:
            continue
        same_length(name, len(given), len(rows), "rows")
        for index, (words, row) in enumerate(zip(given, rows, strict=True)):
            same_length(f"{name}[{index}]", len(words), len(row), "pictures")
    cells = [
        [
            _Cell(
                None if value is None else as_picture(value, f"rows[{r}][{c}]"),
                titles[r][c] if titles is not None else "",
                _known(marks[r][c], f"marks[{r}][{c}]") if marks is not None else "",
            )
            for c, value in enumerate(row)
        ]
        for r, row in enumerate(rows)
    ]
    if not any(cell.picture for row in cells for cell in row):
        raise ViewError("rows: give at least one picture")
    return [row or [_Cell(None, "", "")] for row in cells]


def _known(mark: str, name: str) -> Mark:
    if mark not in _SIGNS:
        raise ViewError(f"{name}: {mark!r}; give 'right', 'wrong' or ''")
    return cast("Mark", mark)


def _cell_size(pictures: list[Image.Image | None], left: float, columns: int) -> tuple[float, float]:
    """(width, height) in points: as large as a page of so many columns allows."""
    shape = float(np.median([p.width / p.height for p in pictures if p]))
    shape = min(max(shape, 0.5), 2.0)
    room = (_WIDEST_PAGE - left - _MARGIN + _GAP) / columns - _GAP
    high = min(_CELL, room / shape)
    # Under some width no title can be read, and the page grows instead.
    wide = max(high * shape, _SMALLEST_CELL)
    return wide, wide / shape


def _title(cell: _Cell, room: float) -> list[str]:
    return broken(_SIGNS[cell.mark][0] + cell.title, _TITLE, room, _MOST_LINES)


def _draw_title(page: Page, cell: _Cell, words: list[str], x: float, bottom: float, wide: float) -> None:
    top = bottom - len(words) * _TITLE * LINE_HEIGHT
    lines_at(page, x, top, words, _TITLE, wide, colour=_SIGNS[cell.mark][1])
