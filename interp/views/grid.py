"""Many overlays of one or more pictures in labelled rows and columns, as a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy.typing as npt
from PIL import Image

from interp.views.checks import ViewError
from interp.views.frames import cell_size, fit, letterbox, scaled_box
from interp.views.grid_rows import Cell, Row, about_rows, common_scales, only_scale, rows_of
from interp.views.overlay import Box, Interpolation, bar, overlay
from interp.views.page import INCH, PIXELS_PER_INCH, ROOM_FOR_NUMBERS, Page, label_room, say_on
from interp.views.scale import Display, Scale, as_map
from interp.views.text import font, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shared = bool | Literal["row"]

# A font's size times this is the room for two numbers and a resolution beside each other.
_ONE_LINE: Final = 18
# The line below the grid: its font's size, and how many lines it may take.
_NOTE: Final = 8.0
_NOTE_LINES: Final = 4
# Of the size of a font: from one line to the next.
_LINE: Final = 1.35


@dataclass(frozen=True)
class _Style:
    """How the cells of a grid are drawn."""

    opacity: float
    colormap: str | None
    threshold: float | None
    interpolation: Interpolation
    native: bool
    shared: Shared


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in points; `pixels` is a cell's (width, height) in pixels."""

    pixels: tuple[int, int]
    high: float
    top: float
    under: float

    left: ClassVar[float] = 38.0
    margin: ClassVar[float] = 12.0
    gap: ClassVar[float] = 6.0

    @property
    def wide(self) -> float:
        return self.high * self.pixels[0] / self.pixels[1]

    @property
    def small_print(self) -> float:
        return min(max(self.high * 0.055, 5.5), 8.0)

    @property
    def one_line(self) -> bool:
        return self.wide >= _ONE_LINE * self.small_print

    def x(self, column: int) -> float:
        return self.left + column * (self.wide + self.gap)

    def y(self, row: int) -> float:
        return self.top + row * (self.high + self.under + self.gap)


def grid_figure(
    pictures: Image.Image | Sequence[Image.Image],
    maps: Sequence[Sequence[npt.ArrayLike | None]],
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str = "",
    boxes: Box | Sequence[Box | None] | None = None,
    display: Display | Sequence[Display | Sequence[Display]] = "positive",
    shares: float | Sequence[Sequence[float]] = 1.0,
    notes: Sequence[Sequence[str]] | None = None,
    shared: Shared = False,
    show_picture: bool | None = None,
    native: bool = False,
    opacity: float = 0.6,
    colormap: str | None = None,
    threshold: float | None = None,
    interpolation: Interpolation = "bilinear",
    bar_label: str = "",
    cell: float = 1.7,
) -> Figure:
    """Overlays in rows and columns: methods by layers, pictures by methods, classes by methods.

    Under each overlay stand the ends of its own range. Words stand in the cells of maps with
    nothing to draw, and of maps that are None.

    Args:
        pictures: one for all rows, or one for each row.
        maps: rows of raw maps, each (height, width), or None where there is none.
        row_labels: one for each row; two lines at most.
        column_labels: one for each column; two lines at most.
        title: one line above.
        boxes: what the maps cover of the pictures, as in `overlay`: one for all, or one a row.
        display: which part of the values is drawn: one for all, one a row, or for each row one a map.
        shares: of each map's positions, whose values its colours span: one for all, or for each row one
            a map.
        notes: for each row one a map, in a line under it.
        shared: draw all maps on one scale, with one bar, so that colours can be compared; "row" draws
            those of each row on one scale, whose ends stand under each of them. In a row with several
            displays the maps of each share one, and a line below the grid says so.
        show_picture: begin each row with its plain picture; where None, if each has its own.
        native: write the resolution of each map under it.
        opacity: share of the heat, 0 to 1.
        colormap: a key of `COLORMAPS`; each display's default where None.
        threshold: part of the maximum, 0 to 1, under which nothing is drawn.
        interpolation: how values between the map's positions are found.
        bar_label: beside the shared scale bar.
        cell: height of a cell, in inches; at least 1.2.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: `shared` is not one of the three.
        ValueError: numbers of rows, columns, pictures, boxes, displays and labels do not agree,
            a scale is to be shared by unlike displays, or an argument is out of its range.

    Example:
        >>> cat = Image.new("RGB", (64, 64), "orange")
        >>> maps = [[[[0.0, 1.0]], [[-1.0, -2.0]]]]
        >>> figure = grid_figure(cat, maps, row_labels=["Grad-CAM"], column_labels=["a", "b"])
    """
    rows = rows_of(pictures, maps, boxes, display, row_labels, column_labels, shares, notes)
    if cell < 1.2:
        raise ValueError(f"cell {cell}: give at least 1.2 inches, or no number can be read")
    if not isinstance(shared, bool) and shared != "row":
        raise ViewError(f"shared={shared!r}: give True, False or 'row'.")
    common = only_scale(rows) if shared is True else None
    style = _Style(opacity, colormap, threshold, interpolation, native, shared)
    plain = show_picture if show_picture is not None else not isinstance(pictures, Image.Image)
    columns = ["picture", *column_labels] if plain else list(column_labels)
    layout = _layout(rows, cell, style, titled=bool(title))

    bar_left = layout.x(len(columns)) + 3
    right = layout.x(len(columns)) - layout.gap
    length = layout.y(len(rows) - 1) + layout.high - layout.top
    if common:
        right = bar_left + 9 + ROOM_FOR_NUMBERS + label_room(bar_label, length)
    bottom = layout.y(len(rows)) - layout.gap
    note = about_rows(rows) if shared == "row" else ""
    page = Page(right + layout.margin, bottom + layout.margin + _note_height(note, right - layout.left))
    page.text(layout.margin, layout.margin + 7, title, 12, right - layout.margin, bold=True)
    _draw_labels(page, layout, row_labels, columns)
    for index, row in enumerate(rows):
        small = fit(row.picture, layout.pixels)
        scales = common_scales(row) if shared == "row" else {}
        if plain:
            shown = letterbox(small, layout.pixels)
            page.picture(layout.x(0), layout.y(index), layout.wide, layout.high, shown)
        for column, cell_of_row in enumerate(row.cells, start=int(plain)):
            at = layout.x(column), layout.y(index)
            scale = common or scales.get(cell_of_row.display)
            _draw_cell(page, layout, at, row, small, cell_of_row, scale, style)
    if common:
        page.bar(bar_left, layout.top, 9, length, common, colormap, bar_label)
    if note:
        page.text(
            layout.left,
            bottom + 4,
            note,
            _NOTE,
            right - layout.left,
            lines=_NOTE_LINES,
            muted=True,
            down="top",
        )
    return page.figure


def _layout(rows: list[Row], cell: float, style: _Style, *, titled: bool) -> _Layout:
    height = round(cell * PIXELS_PER_INCH)
    # Narrower cells would have no room for their two numbers.
    width = max(round(0.75 * height), *(cell_size(row.picture, height)[0] for row in rows))
    top = _Layout.margin + (22 if titled else 0) + 28
    layout = _Layout((width, height), cell * INCH, top, under=0.0)
    lines = 2 if style.native and style.shared is not True and not layout.one_line else 1
    strip = 3.0 if style.shared is True else 9.0
    lines += any(cell.note for row in rows for cell in row.cells)
    return replace(layout, under=strip + lines * _LINE * layout.small_print)


def _note_height(note: str, room: float) -> float:
    """The height of the words below the grid, in points."""
    if not note:
        return 0.0
    return _LINE * _NOTE * len(wrap(note, font(round(_NOTE * 10)), room * 10, _NOTE_LINES))


def _draw_labels(page: Page, layout: _Layout, rows: Sequence[str], columns: Sequence[str]) -> None:
    for index, label in enumerate(columns):
        x, y = layout.x(index) + layout.wide / 2, layout.top - 5
        page.text(x, y, label, 9, layout.wide, lines=2, across="center", down="bottom")
    for index, label in enumerate(rows):
        x, y = layout.margin + 11, layout.y(index) + layout.high / 2
        page.text(x, y, label, 9, layout.high, lines=2, across="center", upwards=True)


def _draw_cell(
    page: Page,
    layout: _Layout,
    at: tuple[float, float],
    row: Row,
    small: Image.Image,
    cell: Cell,
    common: Scale | None,
    style: _Style,
) -> None:
    """One overlay, with the range of its map under it."""
    place = (*at, layout.wide, layout.high)
    if cell.map is None:
        empty = page.picture(*place, Image.new("RGB", layout.pixels, (226, 226, 226)))
        say_on(empty, "no map", layout.wide, 8, "middle")
        return
    limits = (common.low, common.high) if common else None
    own = Scale.of(cell.map, cell.display, share=cell.share)
    scale = Scale.of(cell.map, cell.display, limits, cell.share)
    view = overlay(
        small,
        cell.map,
        box=scaled_box(row.box, row.picture.size, small.size),
        scale=scale,
        opacity=style.opacity,
        colormap=style.colormap,
        threshold=style.threshold,
        interpolation=style.interpolation,
        words=False,
    )
    axes = page.picture(*place, letterbox(view, layout.pixels))
    if scale.verdict is not None:
        say_on(axes, scale.verdict, layout.wide, 7.5, "below")
    rows, columns = as_map(cell.map).shape
    native = f"{rows}\N{MULTIPLICATION SIGN}{columns}" if style.native else ""
    _draw_range(page, layout, at, scale if style.shared == "row" else own, native, style)
    left, size = at[0], layout.small_print
    below = at[1] + layout.high + layout.under - _LINE * size
    page.text(left + layout.wide / 2, below, cell.note, size, layout.wide, across="center", down="top")


def _draw_range(
    page: Page,
    layout: _Layout,
    at: tuple[float, float],
    scale: Scale,
    native: str,
    style: _Style,
) -> None:
    """A map's range: with a strip of its colours, or in words where all maps share one bar."""
    (left, top), size, wide = at, layout.small_print, layout.wide
    below, centre = top + layout.high + 3, left + wide / 2
    if style.shared is True:
        words = f"{scale.text}  \N{MIDDLE DOT}  {native}" if native else scale.text
        page.text(centre, below, words, size, wide, muted=True, across="center", down="top")
        return
    strip = bar(scale, style.colormap, (layout.pixels[0], 8))
    page.picture(left, below, wide, 3.5, strip)
    below += 6
    low, high = scale.ends
    page.text(left, below, low, size, wide / 2, muted=True, down="top")
    page.text(left + wide, below, high, size, wide / 2, muted=True, across="right", down="top")
    below += 0 if layout.one_line else _LINE * size
    page.text(centre, below, native, size, wide, muted=True, across="center", down="top")
