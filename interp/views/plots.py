"""The house style of plots with axes, and words in colours, on a page measured in points."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from interp.views.page import FAMILY, Page
from interp.views.scale import number
from interp.views.text import font, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours: told apart with and without red-green vision.
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
# Darker than Okabe and Ito's own, as thin letters on white need more contrast.
RIGHT: Final = "#00664B"
WRONG: Final = "#B03A00"

LINE: Final = "#666666"
FAINT: Final = "#E4E4E4"
LINE_HEIGHT: Final = 1.3


def plot(page: Page, left: float, top: float, width: float, height: float, size: float = 8) -> Axes:
    """Axes in the house style: two quiet spines, a faint grid of values, numbers in one font.

    Args:
        page: to draw on.
        left: of the plotting area, in points.
        top: of the plotting area, in points.
        width: of the plotting area, in points.
        height: of the plotting area, in points.
        size: of the numbers, in points.

    Returns:
        The axes; numbers stand outside the rectangle.

    Example:
        >>> len(plot(Page(200, 100), 30, 10, 150, 70).lines)
        0
    """
    axes = page.axes(left, top, width, height)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(color=LINE, linewidth=0.7)
    axes.tick_params(which="both", labelsize=size, length=2.5, width=0.6, color=LINE, labelfontfamily=FAMILY)
    axes.grid(visible=True, axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def measured(text: str, size: float, *, bold: bool = False) -> float:
    """Width of one line of words, in points.

    Example:
        >>> measured("wide", 10) > measured("i", 10) > 0
        True
    """
    return font(round(size * 10), bold=bold).getlength(text) / 10


def broken(text: str, size: float, room: float, most: int) -> list[str]:
    r"""Words in lines of at most `room` points; its own line breaks are kept.

    Args:
        text: what to say.
        size: of the font, in points.
        room: the longest that a line may be, in points.
        most: at most so many lines; the last one is shortened.

    Returns:
        The lines.

    Example:
        >>> broken("tabby\nEgyptian cat", 8, 200, 3)
        ['tabby', 'Egyptian cat']
    """
    lines: list[str] = []
    for part in text.split("\n"):
        lines += wrap(part, font(round(size * 10)), room * 10, most - len(lines))
    return lines


def lines_at(
    page: Page,
    x: float,
    top: float,
    lines: list[str],
    size: float,
    room: float,
    *,
    colour: str | None = None,
    centred: bool = False,
    bold: bool = False,
    muted: bool = False,
) -> None:
    """Lines of words one under the other, the first at `top`.

    Args:
        page: to draw on.
        x: of their left end or, where centred, of their middle, in points.
        top: of the first line, in points.
        lines: what to say, as `broken` gives it.
        size: of the font, in points.
        room: the longest that a line may be, in points.
        colour: of the words; ink where None.
        centred: around x.
        bold: in the bold cut.
        muted: in grey.

    Example:
        >>> page = Page(200, 100)
        >>> lines_at(page, 10, 10, ["one", "two"], 8, 180)
        >>> len(page.figure.texts)
        2
    """
    for index, line in enumerate(lines):
        y = top + (index + 0.5) * size * LINE_HEIGHT
        across = "center" if centred else "left"
        page.text(x, y, line, size, room, across=across, bold=bold, muted=muted)  # type: ignore[arg-type]
        if colour is not None:
            page.figure.texts[-1].set_color(colour)


def put(axes: Axes, x: float, y: float, text: str, size: float, **more: object) -> None:
    """Words in axes, in the house's font; a $ in them is no formula."""
    style: dict[str, object] = {"fontsize": size, "fontfamily": FAMILY, "parse_math": False, **more}
    axes.text(x, y, text, **style)  # type: ignore[arg-type]


def even_ticks(axes: Axes, low: float, high: float, count: int = 4) -> None:
    """Numbers up a linear axis: so many digits that neighbours differ, no offset, no exponent alone.

    Args:
        axes: whose vertical axis is set, limits too.
        low: of the axis.
        high: of the axis, above `low`.
        count: about so many steps.

    Example:
        >>> axes = plot(Page(200, 100), 30, 10, 150, 70)
        >>> even_ticks(axes, 0.0, 1.0, 2)
        >>> [text.get_text() for text in axes.get_yticklabels()]
        ['0.0', '0.5', '1.0']
    """
    from matplotlib.ticker import MaxNLocator

    places = [float(t) for t in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    # A hair of tolerance, as the locator's ends are rounded.
    slack = 1e-9 * (high - low)
    inside = [0.0 if abs(t) < slack else t for t in places if low - slack <= t <= high + slack]
    step = places[1] - places[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += round(step * 10**digits, 6) % 1 > 0
    plain = max(abs(low), abs(high)) < 99_999.5 and digits <= 5
    words = [f"{t:.{digits}f}".replace("-", "\N{MINUS SIGN}") if plain else number(t) for t in inside]
    axes.set_ylim(low, high)
    axes.set_yticks(inside, words)


def log_ticks(axes: Axes, along: Literal["x", "y"], low: float, high: float, most: int = 5) -> None:
    """Numbers along a logarithmic axis: powers of ten, and 2 and 5 times them where they are few.

    Args:
        axes: whose scale and limits are set.
        along: which of its axes.
        low: of the axis, above 0.
        high: of the axis, above `low`.
        most: leave decades out where there would be more numbers.

    Example:
        >>> axes = plot(Page(200, 100), 30, 10, 150, 70)
        >>> log_ticks(axes, "x", 1e-4, 1e-1)
        >>> [text.get_text() for text in axes.get_xticklabels()]
        ['1e−4', '1e−3', '1e−2', '1e−1']
    """
    from matplotlib.ticker import NullLocator

    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 5), (1, 3), (1,)):
        marks = {float(f"{part}e{ten}"): f"{part}e{ten}" for ten in tens for part in parts}
        marks = {t: text for t, text in marks.items() if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)}
        if len(marks) <= most:
            break
    # The highest number stays: a learning rate is known by where it peaks.
    places = list(marks)[:: -math.ceil(len(marks) / most)] if marks else [math.sqrt(low * high)]
    places.reverse()
    # Powers of ten are one below the other only where all of them are written as such.
    small = marks and low < 1e-3
    words = [marks[t].replace("-", "\N{MINUS SIGN}") if small else number(t) for t in places]
    if along == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_xticks(places, words)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.set_yticks(places, words)
    # matplotlib writes its own numbers between ours where a range is short.
    (axes.xaxis if along == "x" else axes.yaxis).set_minor_locator(NullLocator())
