"""Predicted maps of classes beside the true ones, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Picture, ViewError, as_classes, as_picture, same_length
from interp.views.class_colours import Colours, class_colours
from interp.views.masks import MISTAKE, VOID, mistakes_over, painted, same_size
from interp.views.page import Page, ink
from interp.views.pictures import place_picture
from interp.views.plots import measured
from interp.views.scale import number
from interp.views.text import clean, font, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN: Final = 12.0
_GAP: Final = 6.0
_HEAD: Final = 14.0
_WIDE: Final = 196.0
_COLUMNS: Final = ("picture", "truth", "prediction", "where wrong")
_SIZE: Final = 8.5
_SWATCH: Final = 10.0
_LINE: Final = 16.0
_MOST_NAME: Final = 170.0


@dataclass(frozen=True)
class _Row:
    """Four pictures, and what share of the pixels is wrong, in words."""

    views: tuple[Picture, ...]
    wrong: str


@dataclass(frozen=True)
class _Entry:
    """One name of the legend, at a line and a place in it."""

    name: str
    colour: tuple[int, int, int]
    line: int = 0
    x: float = _MARGIN


def segmentation_figure(
    pictures: Sequence[npt.ArrayLike],
    truths: Sequence[npt.ArrayLike],
    predictions: Sequence[npt.ArrayLike],
    names: Sequence[str],
    *,
    void: int | None = None,
    scores: Sequence[float] | None = None,
    score_name: str = "IoU",
) -> Figure:
    """Rows of picture, truth, prediction, and the picture with red where the two differ.

    Colours are those of `class_colours` by the number of the class, the same in every figure. One
    legend names the classes that occur.

    Args:
        pictures: uint8 (height, width, 3), of any sizes.
        truths: whole numbers (height, width), each of its picture's size.
        predictions: as `truths`.
        names: of the classes, by number.
        void: the number that stands for no class: light grey, and in a truth never wrong.
        scores: one for each row, written above its prediction; NaN is not written.
        score_name: what the scores are.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, the arguments do not agree, or a number has no name.

    Example:
        >>> grey = np.full((4, 4, 3), 128, np.uint8)
        >>> truth, said = np.zeros((4, 4), int), np.eye(4, dtype=int)
        >>> figure = segmentation_figure([grey], [truth], [said], ["road", "car"])
        >>> [text.get_text() for text in figure.texts][-3:]
        ['25 % of the pixels', 'road', 'car']
    """
    if not len(pictures):
        raise ViewError("pictures: give at least one")
    if not len(names):
        raise ViewError("names: give at least one")
    given = {"truths": len(truths), "predictions": len(predictions)}
    given |= {} if scores is None else {"scores": len(scores)}
    for name, count in given.items():
        same_length(name, count, len(pictures), "pictures")
    colours = class_colours(len(names))
    rows = [
        _row(index, pictures[index], truths[index], predictions[index], colours, void)
        for index in range(len(pictures))
    ]
    said = [f"{score_name} {number(s)}" if np.isfinite(s) else "" for s in scores or [np.nan] * len(rows)]
    shape = float(np.median([row.views[0].shape[1] / row.views[0].shape[0] for row in rows]))
    high = _WIDE / min(max(shape, 0.6), 2.5)
    right = _MARGIN + 4 * (_WIDE + _GAP) - _GAP
    legend = _flowed(_occurring([*truths, *predictions], names, colours, void), right)
    top, step = _MARGIN + 16, _HEAD + high + _GAP
    page = Page(right + _MARGIN, top + len(rows) * step + _LINE * (legend[-1].line + 1) + _MARGIN)
    for column, words in enumerate(_COLUMNS):
        page.text(_x(column), _MARGIN + 6, words, 10, _WIDE, bold=True)
        if column == 3:
            page.figure.texts[-1].set_color(ink(MISTAKE))
    for index, row in enumerate(rows):
        y = top + index * step
        page.text(_x(2), y + 6, said[index], _SIZE, _WIDE, muted=True)
        page.text(_x(3), y + 6, row.wrong, _SIZE, _WIDE, muted=True)
        for column, view in enumerate(row.views):
            place_picture(page, Image.fromarray(view), _x(column), y + _HEAD, _WIDE, high)
    _draw_legend(page, legend, top + len(rows) * step + 4)
    return page.figure


def _x(column: int) -> float:
    return _MARGIN + column * (_WIDE + _GAP)


def _row(
    index: int,
    picture: npt.ArrayLike,
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    colours: Colours,
    void: int | None,
) -> _Row:
    array = np.asarray(as_picture(picture, f"pictures[{index}]"))
    known = as_classes(truth, f"truths[{index}]")
    said = as_classes(predicted, f"predictions[{index}]")
    same_size(f"truths[{index}]", known, array)
    same_size(f"predictions[{index}]", said, array)
    views = (
        array,
        painted(known, colours, void, f"truths[{index}]"),
        painted(said, colours, void, f"predictions[{index}]"),
        mistakes_over(array, known, said, void=void),
    )
    counted = np.ones(known.shape, dtype=bool) if void is None else known != void
    if not counted.any():
        return _Row(views, "no pixel has a class")
    return _Row(views, f"{number(100 * float((known != said)[counted].mean()))} % of the pixels")


def _occurring(
    maps: Sequence[npt.ArrayLike], names: Sequence[str], colours: Colours, void: int | None
) -> list[_Entry]:
    numbers = sorted(set().union(*(np.unique(np.asarray(map)).tolist() for map in maps)))
    shown = [
        _Entry(clean(names[index]), (int(red), int(green), int(blue)))
        for index in numbers
        if index != void
        for red, green, blue in [colours[index]]
    ]
    return [*shown, _Entry("no class", VOID)] if void in numbers else shown


def _flowed(entries: list[_Entry], right: float) -> list[_Entry]:
    """The legend's names in one line or, where they need several, in columns."""
    names = [shorten(entry.name, font(round(_SIZE * 10)), _MOST_NAME * 10) for entry in entries]
    widths = [_SWATCH + 5 + measured(name, _SIZE) + 14 for name in names]
    room = right - _MARGIN + 14
    if sum(widths) > room:
        columns = max(int(room // max(widths)), 1)
        widths = [room / columns] * len(entries)
    placed: list[_Entry] = []
    line, x = 0, _MARGIN
    for name, entry, wide in zip(names, entries, widths, strict=True):
        if x + wide > right + 15:
            line, x = line + 1, _MARGIN
        placed.append(_Entry(name, entry.colour, line, x))
        x += wide
    return placed


def _draw_legend(page: Page, entries: list[_Entry], top: float) -> None:
    for entry in entries:
        y = top + _LINE * entry.line
        axes = page.axes(entry.x, y, _SWATCH, _SWATCH)
        axes.set_facecolor(ink(entry.colour))
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(color="#888888", linewidth=0.4)
        page.text(entry.x + _SWATCH + 5, y + _SWATCH / 2, entry.name, _SIZE, _MOST_NAME + 2)
