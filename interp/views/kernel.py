"""A picture, a kernel with its numbers, and what the kernel gives, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import ViewError
from interp.views.frames import cell_size, fit, letterbox, scaled_box
from interp.views.overlay import Box, framed_heat, heat
from interp.views.page import INCH, PIXELS_PER_INCH, ROOM_FOR_NUMBERS, Page, say_on
from interp.views.plots import put
from interp.views.scale import Display, Scale, as_map, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In larger kernels the numbers would be too small to read.
_MOST_NUMBERS: Final = 9
_DARK: Final = 0.6


def kernel_figure(
    picture: Image.Image,
    kernel: npt.ArrayLike,
    result: npt.ArrayLike,
    *,
    title: str,
    caption: str = "",
    box: Box | None = None,
    within: float = 0.995,
    colormap: str | None = None,
    height: float = 2.8,
) -> Figure:
    """Picture | kernel | result with a scale bar; a result with negative values is drawn around zero.

    Args:
        picture: the original, any size.
        kernel: (rows, columns); with at most nine rows and columns its numbers are written.
        result: raw values, (height, width).
        title: one line above; shortened where too long.
        caption: one line under the title; shortened where too long.
        box: what the result covers of the picture, as in `overlay`.
        within: part of the result's values that the colours tell apart, above 0 to 1; a few sharp edges
            would leave all others pale. Larger ones have the last colour, and the caption says so.
        colormap: of the result, a key of `COLORMAPS`; the display's default where None.
        height: of each of the three, in inches; at least 1.5.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: the kernel is not two-dimensional or not finite, or a number is out of its range.
        ValueError: the result is not two-dimensional.

    Example:
        >>> cat = Image.new("RGB", (64, 64), "orange")
        >>> figure = kernel_figure(cat, [[-1.0, 1.0]], [[0.0, 1.0]], title="step")
        >>> [text.get_text() for axes in figure.axes for text in axes.texts]
        ['−1', '1']
    """
    if height < 1.5:
        raise ViewError(f"height {height}: give at least 1.5 inches, or no number can be read")
    numbers = np.asarray(kernel, dtype=np.float64)
    if numbers.ndim != 2 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise ViewError(f"kernel: shape {numbers.shape}; give finite numbers in rows and columns")
    if not 0 < within <= 1:
        raise ViewError(f"within {within!r}: give a part above 0, at most 1")
    scale, cut = _scale(result, within)
    caption = "; ".join(part for part in (caption, cut) if part)
    cell = cell_size(picture, round(height * PIXELS_PER_INCH))
    small = fit(picture, cell)
    drawn = framed_heat(
        result, scale, small.size, box=scaled_box(box, picture.size, small.size), colormap=colormap
    )

    high = height * INCH
    wide, margin, gap = high * cell[0] / cell[1], 12.0, 16.0
    head = margin + 20 + (15 if caption else 0)
    columns = margin, margin + wide + gap, margin + wide + high + 2 * gap
    bar_left = columns[2] + wide + 7
    right = bar_left + 9 + ROOM_FOR_NUMBERS
    page = Page(right + margin, head + high + margin)
    page.text(margin, margin + 7, title, 12.5, right - margin, bold=True)
    if caption:
        page.text(margin, margin + 25, caption, 9, right - margin, muted=True)
    page.picture(columns[0], head, wide, high, letterbox(small, cell))
    _draw_kernel(page, numbers, columns[1], head, high)
    shown = page.picture(columns[2], head, wide, high, letterbox(drawn, cell))
    if scale.verdict is not None:
        say_on(shown, scale.verdict, wide, 9, "middle")
    page.bar(bar_left, head, 9, high, scale, colormap, "")
    return page.figure


def _scale(result: npt.ArrayLike, within: float) -> tuple[Scale, str]:
    """The scale that a result is drawn with, and words on what lies beyond it."""
    values = as_map(result)
    display: Display = "signed" if (values < 0).any() else "positive"
    own = Scale.of(values, display)
    if own.verdict is not None:
        return Scale.of(values, "range"), ""  # whose words do not speak of evidence
    high = float(np.quantile(np.abs(values), within))
    # Most values may be 0, as in a drawing.
    if not 0 < high < own.high:
        return own, ""
    low, most = number(float(values.min())), number(float(values.max()))
    ends = Scale(-high if display == "signed" else 0.0, high, display)
    return ends, f"result {low} … {most}, colours for {100 * within:.4g} % of it"


def _draw_kernel(page: Page, kernel: npt.NDArray[np.float64], left: float, top: float, side: float) -> None:
    """The kernel in a square, each value in its colour and in digits."""
    rows, columns = kernel.shape
    step = side / max(rows, columns)
    wide, high = columns * step, rows * step
    largest = float(np.abs(kernel).max())
    scale = Scale(-largest, largest, "signed") if largest > 0 else Scale.of(kernel, "signed")
    place = left + (side - wide) / 2, top + (side - high) / 2, wide, high
    colours = heat(kernel, scale, (columns, rows))
    axes = page.picture(*place, colours.resize((columns * 64, rows * 64), Image.Resampling.NEAREST))
    _frame(axes)
    if max(rows, columns) > _MOST_NUMBERS:
        return
    for row in range(rows):
        for column in range(columns):
            value = kernel[row, column]
            colour = "white" if largest > 0 and abs(value) > _DARK * largest else "black"
            x, y = column * 64 + 31.5, row * 64 + 31.5
            put(axes, x, y, number(value), min(step * 0.24, 14), ha="center", va="center", color=colour)


def _frame(axes: Axes) -> None:
    """A hairline around white values at the edge."""
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="0.6", linewidth=0.6)
