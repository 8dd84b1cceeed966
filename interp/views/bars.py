"""One number for each of several names, as horizontal bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import Numbers, ViewError, as_numbers, same_length
from interp.views.page import Page, ink
from interp.views.plots import BLUE, VERMILLION, measured, plot, put
from interp.views.scale import number
from interp.views.text import MUTED, clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN: Final = 12.0
_BARS: Final = 330.0
_MOST_LABEL: Final = 190.0
_ROOM_FOR_NUMBER: Final = 48.0


def bar_figure(
    values: npt.ArrayLike,
    labels: Sequence[str],
    *,
    heading: str,
    unit: str,
    reference: float | None = None,
    reference_name: str = "mean",
) -> Figure:
    """Horizontal bars, the largest first, with their numbers at their ends.

    Args:
        values: one for each label; NaN is written as "absent" and stands last.
        labels: what the values belong to; shortened where too long.
        heading: one line above.
        unit: what the numbers are, as "IoU"; one line under the heading.
        reference: a value marked with a line over all bars, as their mean.
        reference_name: what the line is called.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there are no values, or not one label for each.

    Example:
        >>> figure = bar_figure([0.8, 0.4], ["sky", "car"], heading="Classes", unit="IoU", reference=0.6)
        >>> len(figure.axes[0].patches)
        2
    """
    numbers = as_numbers(values, "values")
    if not len(numbers):
        raise ViewError("values: give at least one")
    same_length("labels", len(labels), len(numbers), "values")
    if reference is not None and not math.isfinite(reference):
        reference = None
    order = np.argsort(np.nan_to_num(-numbers, nan=np.inf), kind="stable")
    step = 17.0 if len(numbers) <= 30 else 12.5
    size = 9.0 if step > 15 else 7.5
    names = [clean(labels[index]) for index in order]
    room = min(max(measured(name, size) for name in names) + 2, _MOST_LABEL)
    left, top = _MARGIN + room + 6, 52.0 + (14 if reference is not None else 0)
    right = left + _BARS + _ROOM_FOR_NUMBER
    page = Page(right + _MARGIN, top + step * len(numbers) + _MARGIN)
    page.text(_MARGIN, _MARGIN + 7, heading, 11.5, right - _MARGIN, bold=True)
    page.text(_MARGIN, _MARGIN + 24, unit, 8.5, right - _MARGIN, muted=True)
    for index, name in enumerate(names):
        page.text(left - 6, top + step * (index + 0.5), name, size, room, across="right")
    axes = plot(page, left, top, _BARS, step * len(numbers))
    axes.set_axis_off()
    low, high = _limits(numbers, reference)
    axes.set(xlim=(low, high), ylim=(len(numbers) - 0.5, -0.5))
    _draw(axes, numbers[order], size)
    if reference is not None:
        axes.axvline(reference, color=VERMILLION, linewidth=1.2, linestyle="--")
        _name_line(page, f"{reference_name} {number(reference)}", left, top, (reference - low) / (high - low))
    return page.figure


def _limits(values: Numbers, reference: float | None) -> tuple[float, float]:
    ends = [0.0, *values[np.isfinite(values)], *([] if reference is None else [reference])]
    low, high = min(ends), max(ends)
    # Numbers of negative bars stand left of them, inside the plot.
    low -= 0.15 * (high - low) if low < 0 else 0.0
    return low, high if high > low else low + 1.0


def _draw(axes: Axes, values: Numbers, size: float) -> None:
    known = np.isfinite(values)
    places = np.arange(len(values))
    axes.barh(places[known], values[known], height=0.66, color=BLUE, linewidth=0)
    axes.axvline(0, color="#666666", linewidth=0.7)
    span = float(np.ptp(axes.get_xlim())) / _BARS
    for place, value in enumerate(values.tolist()):
        if math.isnan(value):
            put(axes, 4 * span, place, "absent", size, va="center_baseline", color=ink(MUTED))
            continue
        side = "left" if value >= 0 else "right"
        away = 4 * span if value >= 0 else -4 * span
        # The reference may run through a number.
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        put(axes, value + away, place, number(value), size, va="center_baseline", ha=side, bbox=paper)


def _name_line(page: Page, words: str, left: float, top: float, part: float) -> None:
    half = measured(words, 8.5, bold=True) / 2
    x = min(max(left + _BARS * part, left + half), left + _BARS + _ROOM_FOR_NUMBER - half)
    page.text(x, top - 7, words, 8.5, _BARS, bold=True, across="center")
    page.figure.texts[-1].set_color(VERMILLION)
