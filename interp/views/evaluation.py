"""Methods beside each other by several metrics: a dot with its interval for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from interp.views.checks import ViewError, same_length
from interp.views.page import Page, ink
from interp.views.plots import BLUE, FAINT, LINE_HEIGHT, WRONG, broken, lines_at, measured, plot, put
from interp.views.scale import number
from interp.views.text import MUTED, clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Apart = Literal["best", "alike", "apart", "unknown"]
Better = Literal["higher", "lower", "neither"]

_MARGIN: Final = 14.0
_NAMES: Final = 176.0
_PANEL: Final = 112.0
_GAP: Final = 16.0
_ROW: Final = 32.0
_HEAD: Final = 38.0
_TICKS: Final = 20.0
_ACROSS: Final = 5  # panels side by side
_OTHER: Final = "#7A7A7A"
_LEGEND: Final[tuple[tuple[Apart, str], ...]] = (
    ("best", "best"),
    ("alike", "not told apart from the best"),
    ("apart", "told apart from the best"),
)


@dataclass(frozen=True)
class MetricDot:
    """A mean with its interval; NaN where there is none.

    Attributes:
        mean: where the dot is.
        low: lower end of the interval.
        high: upper end.
        apart: whether it is the best, is not told apart from it, is, or nobody can say.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    apart: Apart = "unknown"


@dataclass(frozen=True)
class MetricColumn:
    """One metric.

    Attributes:
        title: above the panel.
        better: which end is good.
        dots: one for each method.
        chance: what a map that knows nothing gets, as a line; None where that is not known.
    """

    title: str
    better: Better
    dots: tuple[MetricDot, ...]
    chance: float | None = None


def evaluation_figure(
    columns: Sequence[MetricColumn],
    methods: Sequence[str],
    controls: Sequence[bool],
    verdicts: Sequence[str],
    *,
    heading: str,
    caption: str,
) -> Figure:
    """A panel for each metric, a row for each method: the mean as a dot, its 95 % interval as a line.

    Args:
        columns: metrics.
        methods: names, in the order of the rows.
        controls: whether each is a control; these are grey.
        verdicts: what should be said of each method, under its name; empty where nothing.
        heading: one line above.
        caption: a few lines under it.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no metric or method, or not one dot for each.

    Example:
        >>> column = MetricColumn("Deletion", "lower", (MetricDot(0.1, 0.08, 0.12, "best"), MetricDot(0.3)))
        >>> names, controls = ["grad-cam", "random"], [False, True]
        >>> figure = evaluation_figure([column], names, controls, ["", ""], heading="Which?", caption="")
        >>> len(figure.axes)
        1
    """
    if not columns or not methods:
        raise ViewError("give at least one metric and one method")
    same_length("controls", len(controls), len(methods), "methods")
    same_length("verdicts", len(verdicts), len(methods), "methods")
    for column in columns:
        same_length(f"dots of {column.title}", len(column.dots), len(methods), "methods")
    across = min(len(columns), _ACROSS)
    across = math.ceil(len(columns) / math.ceil(len(columns) / across))
    width = max(_MARGIN + _NAMES + across * (_PANEL + _GAP) + _MARGIN, 540.0)
    said = broken(caption, 8.5, width - 2 * _MARGIN, 4)
    top = _MARGIN + 24 + len(said) * 8.5 * LINE_HEIGHT + 22
    block = _HEAD + _ROW * len(methods) + _TICKS + 24
    bands = [columns[start : start + across] for start in range(0, len(columns), across)]
    page = Page(width, top + block * len(bands) + 22)
    page.text(_MARGIN, _MARGIN + 8, heading, 12.5, width - 2 * _MARGIN, bold=True)
    lines_at(page, _MARGIN, _MARGIN + 22, said, 8.5, width - 2 * _MARGIN, muted=True)
    for number_of, band in enumerate(bands):
        above = top + number_of * block
        for row, name in enumerate(methods):
            _name(page, above + _HEAD + _ROW * row, name, verdicts[row], control=controls[row])
        for place, column in enumerate(band):
            left = _MARGIN + _NAMES + 10 + place * (_PANEL + _GAP)
            _panel(page, left, above, column, len(methods))
    _legend(page, any(column.chance is not None for column in columns))
    return page.figure


def _name(page: Page, top: float, name: str, verdict: str, *, control: bool) -> None:
    lines = broken(verdict, 6.5, _NAMES - 6, 2) if verdict else []
    middle = top + _ROW / 2 - len(lines) * 6.5 * LINE_HEIGHT / 2
    right = _MARGIN + _NAMES
    page.text(right, middle, clean(name), 8.5, _NAMES - 6, across="right", muted=control)
    for number_of, line in enumerate(lines):
        y = middle + 5.5 + (number_of + 0.5) * 6.5 * LINE_HEIGHT
        page.text(right, y, line, 6.5, _NAMES - 6, across="right")
        page.figure.texts[-1].set_color(WRONG)


def _panel(page: Page, left: float, top: float, column: MetricColumn, rows: int) -> None:
    title = broken(column.title, 9, _PANEL + _GAP - 8, 2)
    lines_at(page, left, top + 16 - len(title) * 9 * LINE_HEIGHT, title, 9, _PANEL + _GAP - 4, bold=True)
    words = {"higher": "higher is better →", "lower": "← lower is better", "neither": ""}[column.better]
    page.text(left, top + 23, words, 7.5, _PANEL, muted=True)
    axes = plot(page, left, top + _HEAD, _PANEL, _ROW * rows, 7)
    axes.set_yticks([])
    axes.grid(visible=True, axis="x", color=FAINT, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    low, high = _limits(column)
    axes.set(xlim=(low, high), ylim=(rows - 0.5, -0.5))
    for row in range(1, rows):
        axes.axhline(row - 0.5, color=FAINT, linewidth=0.5)
    if column.chance is not None:
        axes.axvline(column.chance, color=WRONG, linewidth=0.9, linestyle=(0, (3, 2)))
    _ticks(axes, low, high)
    for row, dot in enumerate(column.dots):
        _dot(axes, row, dot, (high - low) / _PANEL, low, high)


def _dot(axes: Axes, row: int, dot: MetricDot, point: float, low: float, high: float) -> None:
    y = row + 0.14
    if math.isnan(dot.mean):
        put(axes, (low + high) / 2, row, "no number", 7, va="center", ha="center", color=ink(MUTED))
        return
    colour = BLUE if dot.apart in ("best", "alike") else _OTHER
    if not math.isnan(dot.low):
        axes.plot([dot.low, dot.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    face = "white" if dot.apart == "alike" else colour
    axes.plot([dot.mean], [y], "o", markersize=5, color=colour, markerfacecolor=face, markeredgewidth=1.3)
    text = _short(dot.mean)
    half = measured(text, 7) / 2 * point
    x = min(max(dot.mean, low + half), high - half)
    weight = "bold" if dot.apart == "best" else "normal"
    # The line of chance may run through a number.
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
    put(axes, x, row - 0.2, text, 7, va="center", ha="center", fontweight=weight, bbox=paper)


def _limits(column: MetricColumn) -> tuple[float, float]:
    ends = [end for dot in column.dots for end in (dot.mean, dot.low, dot.high)]
    ends += [] if column.chance is None else [column.chance]
    known = [end for end in ends if math.isfinite(end)] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = 0.09 * (high - low) or max(abs(high), 1.0) / 10
    return low - room, high + room


def _ticks(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import MaxNLocator

    places = [float(t) for t in MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    inside = [0.0 if abs(t) < 1e-9 * (high - low) else t for t in places if low <= t <= high]
    axes.set_xticks(inside, [number(t) for t in inside])


def _short(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _legend(page: Page, chance: bool) -> None:
    axes = page.axes(_MARGIN, page.height - 24, page.width - 2 * _MARGIN, 16)
    axes.set_axis_off()
    axes.set(xlim=(0, page.width - 2 * _MARGIN), ylim=(16, 0))
    x = 4.0
    for apart, words in _LEGEND:
        colour = _OTHER if apart == "apart" else BLUE
        face = "white" if apart == "alike" else colour
        axes.plot([x], [8], "o", markersize=5, color=colour, markerfacecolor=face, markeredgewidth=1.3)
        put(axes, x + 7, 8, words, 7.5, va="center")
        x += measured(words, 7.5) + 24
    axes.plot([x - 4, x + 10], [8, 8], color=_OTHER, linewidth=1.6)
    put(axes, x + 14, 8, "95 % interval over pictures", 7.5, va="center")
    x += measured("95 % interval over pictures", 7.5) + 32
    if chance:
        axes.plot([x - 4, x + 10], [8, 8], color=WRONG, linewidth=0.9, linestyle=(0, (3, 2)))
        put(axes, x + 14, 8, "chance", 7.5, va="center")
