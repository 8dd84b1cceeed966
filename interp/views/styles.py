"""Pictures compared by style: matrices of distances, the nearest ones, the terms of a perceptual loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.bars import bar_figure
from interp.views.checks import ViewError, same_length
from interp.views.colormaps import table
from interp.views.gram import Values, as_square
from interp.views.page import ROOM_FOR_NUMBERS, Page
from interp.views.pictures import picture_grid, place_picture
from interp.views.plots import measured, put
from interp.views.scale import Scale, normalise, number
from interp.views.text import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN: Final = 12.0
_TOP: Final = 54.0
_GAP: Final = 16.0
_WIDEST_PAGE: Final = 900.0
_NAMES: Final = 120.0
_HEAD: Final = 18.0
_COLOURS: Final = "cividis"
# Smaller numbers cannot be read.
_SMALLEST_NUMBER: Final = 5.0
_PER_ROW: Final = 6


@dataclass(frozen=True)
class _Layout:
    """Where matrices stand, in points: `cell` is the side of one number's field."""

    left: float
    cell: float
    side: float
    across: int
    names: float
    views: bool

    @property
    def foot(self) -> float:
        """Under a matrix: pictures or the names of the columns."""
        return self.cell + 3 if self.views else self.names + 3

    def at(self, place: int) -> tuple[float, float]:
        """The upper left corner of a matrix."""
        row, column = divmod(place, self.across)
        return self.left + column * (self.side + _GAP), _TOP + _HEAD + row * self.high

    @property
    def high(self) -> float:
        return _HEAD + self.side + self.foot + _GAP / 2


def style_distance_figure(
    matrices: Sequence[npt.ArrayLike],
    *,
    layers: Sequence[str],
    pictures: Sequence[str],
    views: Sequence[Image.Image] = (),
    heading: str = "How far styles are apart",
    note: str = "relative distance of Gram matrices: 0 for equal ones, 0.71 where no channel is in common",
) -> Figure:
    """Distances of pictures to each other, a matrix with numbers for each layer, all on one scale.

    Args:
        matrices: for each layer numbers from 0 up, (pictures, pictures).
        layers: what the matrices are called.
        pictures: names of the pictures; shortened where too long.
        views: the pictures, or none at all.
        heading: one line above.
        note: one line under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no matrix, one is not square or has a negative number, or names and pictures do
            not agree with them.

    Example:
        >>> figure = style_distance_figure([[[0, 0.5], [0.5, 0]]], layers=["conv1"], pictures=["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0.50', '0.50']
    """
    squares = [as_square(matrix, f"matrices[{place}]") for place, matrix in enumerate(matrices)]
    if not squares:
        raise ViewError("matrices: give at least one")
    same_length("layers", len(layers), len(squares), "matrices")
    for place, matrix in enumerate(squares):
        same_length(f"matrices[{place}]", len(matrix), len(pictures), "pictures")
        if matrix.min() < 0:
            raise ViewError(f"matrices[{place}]: has the negative distance {number(float(matrix.min()))}")
    if views:
        same_length("views", len(views), len(pictures), "pictures")
    names = [clean(name) for name in pictures]
    layout = _layout(len(squares), names, bool(views))
    rows = -(-len(squares) // layout.across)
    right = layout.left + layout.across * (layout.side + _GAP) - _GAP
    beside = 8 + 9 + ROOM_FOR_NUMBERS
    page = Page(max(right + beside, 300.0) + _MARGIN, _TOP + rows * layout.high + _MARGIN - _GAP / 2)
    page.text(_MARGIN, _MARGIN + 7, heading, 12, page.width - 2 * _MARGIN, bold=True)
    page.text(_MARGIN, _MARGIN + 25, note, 8.5, page.width - 2 * _MARGIN, muted=True)
    scale = Scale(0.0, max(float(max(matrix.max() for matrix in squares)), 1e-6), "positive")
    for place, matrix in enumerate(squares):
        _draw_matrix(page, layout, place, matrix, layers[place], scale)
        _draw_names(page, layout, place, names, views)
    page.bar(right + 8, _TOP + _HEAD, 9, layout.side, scale, _COLOURS, "")
    return page.figure


def nearest_figure(
    picture: Image.Image,
    nearest: Sequence[Image.Image],
    *,
    distances: Sequence[float],
    name: str = "",
    names: Sequence[str] = (),
    heading: str = "Nearest by style",
    note: str = "",
) -> Figure:
    """A picture, and beside it those nearest to it, each with its distance, the nearest first.

    Args:
        picture: the one asked about.
        nearest: the pictures found.
        distances: one for each of them.
        name: of the picture asked about.
        names: of the pictures found, or none at all.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: no picture was found, or there is not one distance and one name for each.

    Example:
        >>> grey = Image.new("RGB", (8, 8))
        >>> figure = nearest_figure(grey, [grey], distances=[0.25], name="cat", names=["dog"])
        >>> [text.get_text() for text in figure.texts if text.get_text()]
        ['Nearest by style', 'asked: cat', '0.25', 'dog']
    """
    if not nearest:
        raise ViewError("nearest: give at least one picture")
    same_length("distances", len(distances), len(nearest), "pictures")
    if names:
        same_length("names", len(names), len(nearest), "pictures")
    said = [
        f"{distance:.2f}" + (f"\n{names[place]}" if names else "") for place, distance in enumerate(distances)
    ]
    asked = f"asked: {name}" if name else "asked"
    cells: list[tuple[npt.ArrayLike | None, str]] = [
        (np.asarray(one.convert("RGB")), words) for one, words in zip(nearest, said, strict=True)
    ]
    step = _PER_ROW - 1
    rows = [cells[start : start + step] for start in range(0, len(cells), step)]
    first: list[tuple[npt.ArrayLike | None, str]] = [(np.asarray(picture.convert("RGB")), asked)]
    full = [(first if place == 0 else [(None, "")]) + row for place, row in enumerate(rows)]
    return picture_grid(
        [[one for one, _ in row] for row in full],
        titles=[[words for _, words in row] for row in full],
        heading=heading,
        note=note,
    )


def perceptual_terms_figure(
    terms: Mapping[str, float],
    *,
    layers: Sequence[str],
    pictures: tuple[str, str],
    weights: Sequence[float],
) -> Figure:
    """The terms of the perceptual loss for a pair of pictures as bars, the largest first.

    Args:
        terms: `pixel`, `feat_0` …, `gram_0` … and their weighted values.
        layers: name of each compared layer.
        pictures: names of the two.
        weights: of each layer.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no term, one is unknown, or there is not one weight for each layer.

    Example:
        >>> terms = {"pixel": 0.1, "feat_0": 0.4, "gram_0": 0.2}
        >>> figure = perceptual_terms_figure(terms, layers=["conv1"], pictures=("cat", "dog"), weights=[5])
        >>> [text.get_text() for text in figure.texts][2:]
        ['features of conv1', 'Gram of conv1', 'pixels']
    """
    same_length("weights", len(weights), len(layers), "layers")
    names = {"pixel": "pixels"}
    for place, layer in enumerate(layers):
        names |= {f"feat_{place}": f"features of {layer}", f"gram_{place}": f"Gram of {layer}"}
    if unknown := [term for term in terms if term not in names]:
        raise ViewError(f"terms: {unknown[0]!r} is of no layer; there are {', '.join(names)}")
    said = ", ".join(number(weight) for weight in weights)
    return bar_figure(
        list(terms.values()),
        [names[term] for term in terms],
        heading=f"{pictures[0]} and {pictures[1]}: {number(sum(terms.values()))} apart",
        unit=f"terms of the perceptual loss, weighted; layers by {said}",
    )


def _layout(count: int, names: list[str], views: bool) -> _Layout:
    cell = min(max(190 / len(names), 16.0), 46.0)
    room = min(max(measured(name, 8) for name in names) + 2, _NAMES)
    left = _MARGIN + room + 6 + (cell + 3 if views else 0)
    side = cell * len(names)
    fits = int((_WIDEST_PAGE - left - ROOM_FOR_NUMBERS - 29 + _GAP) // (side + _GAP))
    return _Layout(left, cell, side, min(max(fits, 1), count), room, views)


def _draw_matrix(page: Page, layout: _Layout, place: int, matrix: Values, name: str, scale: Scale) -> None:
    left, top = layout.at(place)
    page.text(left + layout.side / 2, top - 8, name, 8.5, layout.side + _GAP - 4, bold=True, across="center")
    pixels = table(_COLOURS)[np.rint(255 * normalise(matrix, scale)).astype(np.uint8)]
    axes = page.axes(left, top, layout.side, layout.side)
    axes.imshow(pixels, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#999999", linewidth=0.6)
    size = min(9.0, 0.3 * layout.cell)
    if size < _SMALLEST_NUMBER:
        return
    for row, column in np.ndindex(matrix.shape):
        if row == column:
            continue
        dark = pixels[row, column] @ np.array([0.299, 0.587, 0.114]) < 140
        words, colour = f"{matrix[row, column]:.2f}", "white" if dark else "#1A1A1A"
        put(axes, column, row, words, size, color=colour, ha="center", va="center_baseline")


def _draw_names(
    page: Page, layout: _Layout, place: int, names: list[str], views: Sequence[Image.Image]
) -> None:
    """Names and pictures at the left of each row of matrices, pictures or names under each matrix."""
    left, top = layout.at(place)
    for index, name in enumerate(names):
        at = index * layout.cell
        middle, under = at + layout.cell / 2, top + layout.side + 3
        if place % layout.across == 0:
            page.text(_MARGIN + layout.names, top + middle, name, 8, layout.names, across="right")
            if views:
                place_picture(
                    page, views[index], left - layout.cell - 3, top + at, layout.cell, layout.cell - 2
                )
        if views:
            place_picture(page, views[index], left + at, under, layout.cell - 2, layout.cell)
        else:
            page.text(left + middle, under, name, 8, layout.names, across="center", down="top", upwards=True)
