"""What a classifier takes for what: a matrix, what of each class is found, the worst pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Numbers, ViewError, same_length
from interp.views.colormaps import table
from interp.views.page import Page
from interp.views.plots import measured, put
from interp.views.scale import number
from interp.views.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Counts = npt.NDArray[np.int64]

_MARGIN: Final = 12.0
_TOP: Final = 56.0
# Above so many classes nobody reads numbers in cells, so the worst pairs are listed.
_MOST_NUMBERS: Final = 40
_MOST_LABEL: Final = 140.0
# A scale that ended lower would paint the one mistake of a good model as a disaster.
_LEAST_WRONG: Final = 0.1
_RECALL: Final = 46.0
_PAIRS: Final = 270.0
# Below these, in points, letters and numbers cannot be read.
_SMALLEST_NUMBER: Final = 4.6
_SMALLEST_LABEL: Final = 5.0


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in points; `side` is the matrix's, `cell` that of one of its fields."""

    left: float
    side: float
    cell: float
    under: float
    size: float
    listed: bool

    @property
    def recall(self) -> float:
        return self.left + self.side + 10

    @property
    def pairs(self) -> float:
        return self.recall + _RECALL + 34 + 30

    @property
    def right(self) -> float:
        return self.pairs + _PAIRS if self.listed else self.recall + _RECALL + 62


def confusion_figure(counts: npt.ArrayLike, labels: Sequence[str]) -> Figure:
    """What a classifier takes for what.

    A field's colour is its share of its row, `counts[i, j] / sum_j counts[i, j]`: blue on the
    diagonal, from 0 to 1, and red beside it, from 0 to the largest share that is wrong (0.1 at least),
    so that few mistakes are seen too. At the side is the share that is found of each class (its
    recall). Above 40 classes there are no numbers, and the most frequent mistakes are listed.

    Args:
        counts: whole numbers (classes, classes), row `i` the truth, column `j` the prediction.
        labels: names of the classes; shortened where too long.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: `counts` is not square, is empty, or has negative or broken numbers, or there is
            not one label for each class.

    Example:
        >>> figure = confusion_figure([[8, 2], [1, 9]], ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['8', '2', '1', '9']
    """
    matrix = _checked(counts)
    same_length("labels", len(labels), len(matrix), "classes")
    names = [clean(label) for label in labels]
    layout = _layout(len(matrix), names)
    page = Page(layout.right + _MARGIN, _TOP + layout.side + layout.under + _MARGIN)
    total, right = int(matrix.sum()), int(np.trace(matrix))
    said = f"accuracy {number(right / total)} ({right} of {total})" if total else "no pictures"
    page.text(_MARGIN, _MARGIN + 7, "truth and prediction", 11.5, layout.right - _MARGIN, bold=True)
    page.text(_MARGIN, _MARGIN + 24, said, 9, layout.right - _MARGIN, muted=True)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    wrong = shares - np.diag(np.diag(shares))
    worst = max(float(wrong.max()), _LEAST_WRONG)
    _draw_matrix(page, layout, matrix, shares, worst)
    _draw_names(page, layout, names)
    _draw_recall(page, layout, matrix)
    _draw_bars(page, layout, worst if len(matrix) > 1 else None)
    if layout.listed:
        _list_pairs(page, layout, matrix, names)
    return page.figure


def _checked(counts: npt.ArrayLike) -> Counts:
    matrix = np.asarray(counts)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ViewError(f"counts: shape {matrix.shape}; give (classes, classes)")
    if not np.issubdtype(matrix.dtype, np.integer) or matrix.min() < 0:
        raise ViewError(f"counts: give whole numbers from 0 up, not {matrix.dtype} from {matrix.min()}")
    return matrix.astype(np.int64)


def _layout(count: int, names: list[str]) -> _Layout:
    cell = min(max(400 / count, 15.0), 62.0) if count <= _MOST_NUMBERS else max(480 / count, 6.3)
    size = min(9.0, max(cell * 0.78, _SMALLEST_LABEL))
    room = min(max(measured(name, size) for name in names) + 2, _MOST_LABEL)
    # Names of one letter leave no room for the scale bars beside them.
    under = max(room + 24, 78.0)
    return _Layout(_MARGIN + 16 + room + 5, count * cell, cell, under, size, count > _MOST_NUMBERS)


def _draw_matrix(page: Page, layout: _Layout, matrix: Counts, shares: Numbers, worst: float) -> None:
    count = len(matrix)
    reds, blues = _ramps()
    pixels = reds[np.rint(255 * np.clip(shares / worst, 0, 1)).astype(np.intp)]
    on = np.arange(count)
    pixels[on, on] = blues[np.rint(255 * shares[on, on]).astype(np.intp)]
    axes = page.axes(layout.left, _TOP, layout.side, layout.side)
    axes.imshow(pixels, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    width = 0.5 if layout.cell > 12 else 0.2
    for edge in np.arange(1, count) - 0.5:
        axes.axhline(edge, color="#E2E2E2", linewidth=width)
        axes.axvline(edge, color="#E2E2E2", linewidth=width)
    for spine in axes.spines.values():
        spine.set(color="#999999", linewidth=0.6)
    _write_numbers(axes, layout, matrix, pixels)


def _ramps() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """White to red and white to blue, 256 colours each: the halves of the signed table."""
    both = table("RdBu_r")
    places = np.linspace(0, 127, 256).astype(np.intp)
    reds, blues = both[128:][places].copy(), both[127::-1][places].copy()
    # No mistake at all is paper, and one in a thousand is not.
    reds[0] = blues[0] = 255
    return reds, blues


def _write_numbers(axes: Axes, layout: _Layout, matrix: Counts, pixels: npt.NDArray[np.uint8]) -> None:
    widest = measured(str(matrix.max()), 10) / 10
    size = min(11.0, 0.5 * layout.cell, 0.84 * layout.cell / widest)
    if layout.listed or size < _SMALLEST_NUMBER:
        return
    for row, column in zip(*np.nonzero(matrix), strict=True):
        dark = pixels[row, column] @ np.array([0.299, 0.587, 0.114]) < 140
        colour = "white" if dark else "#1A1A1A"
        text = str(matrix[row, column])
        put(axes, column, row, text, size, color=colour, ha="center", va="center_baseline")


def _draw_names(page: Page, layout: _Layout, names: list[str]) -> None:
    room, middle = _MOST_LABEL, layout.side / 2
    # A hundred and more names would run into each other: every second one, or every third.
    every = int(np.ceil(_SMALLEST_LABEL * 1.15 / layout.cell))
    for index in range(0, len(names), every):
        at = (index + 0.5) * layout.cell
        page.text(layout.left - 5, _TOP + at, names[index], layout.size, room, across="right")
        x, y = layout.left + at, _TOP + layout.side + 5
        page.text(x, y, names[index], layout.size, room, across="center", down="top", upwards=True)
    page.text(_MARGIN + 6, _TOP + middle, "truth", 9, layout.side, bold=True, across="center", upwards=True)
    foot = _TOP + layout.side + layout.under - 8
    page.text(layout.left + middle, foot, "prediction", 9, 90, bold=True, across="center")


def _draw_recall(page: Page, layout: _Layout, matrix: Counts) -> None:
    """A bar for each class, with its number where a row is high enough for one."""
    rows = matrix.sum(axis=1)
    left = layout.recall
    page.text(left, _TOP - 7, "found", 8, 90, bold=True)
    axes = page.axes(left, _TOP, _RECALL, layout.side)
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    high = min(0.7, 14 / layout.cell)
    axes.barh(range(len(rows)), [1.0] * len(rows), height=high, color="#EDEDED", linewidth=0)
    part = np.diag(matrix) / np.maximum(rows, 1)
    blue = tuple(table("RdBu_r")[20] / 255)
    axes.barh(range(len(rows)), part, height=high, color=blue, linewidth=0)
    size = min(layout.size, 8.0)
    for index, count in enumerate(rows):
        if layout.cell < _SMALLEST_LABEL:
            break
        words = f"{part[index]:.2f}" if count else "absent"
        y = _TOP + (index + 0.5) * layout.cell
        page.text(left + _RECALL + 4, y, words, size, 40, muted=not count)


def _draw_bars(page: Page, layout: _Layout, worst: float | None) -> None:
    """The two scales, under the shares that are found, where the names of the columns leave room."""
    reds, blues = _ramps()
    left, width = layout.recall, _RECALL + 14
    top = _TOP + layout.side + 14
    for index, (name, ramp, high) in enumerate((("right", blues, 1.0), ("wrong", reds, worst))):
        if high is None:
            continue
        y = top + 36 * index
        page.text(left, y, name, 7.5, width, muted=True)
        page.picture(left, y + 6, width, 6, Image.fromarray(ramp[None]))
        page.text(left, y + 18, "0", 7, 20, muted=True)
        page.text(left + width, y + 18, number(high), 7, 40, muted=True, across="right")


def _list_pairs(page: Page, layout: _Layout, matrix: Counts, names: list[str]) -> None:
    wrong = matrix - np.diag(np.diag(matrix))
    rows = np.maximum(matrix.sum(axis=1), 1)
    step = 26.0
    order = np.argsort(-wrong, axis=None, kind="stable")[: int((layout.side - 6) // step)]
    left, top = layout.pairs, _TOP + 12
    page.text(left, _TOP - 7, "most frequent mistakes", 8, _PAIRS, bold=True)
    for place, flat in enumerate(order):
        truth, taken = divmod(int(flat), len(names))
        count = int(wrong[truth, taken])
        if not count:
            break
        y, share = top + step * place, 100 * count / rows[truth]
        page.text(left + 26, y, f"{count}\N{MULTIPLICATION SIGN}", 9, 26, bold=True, across="right")
        page.text(left + 32, y, f"{names[truth]}", 8, _PAIRS - 62)
        page.text(left + 32, y + 10.5, f"taken for {names[taken]}", 8, _PAIRS - 62)
        page.text(left + _PAIRS, y, f"{share:.0f} %", 8, 28, muted=True, across="right")
    if not wrong.any():
        page.text(left, top, "none", 8, _PAIRS, muted=True)
