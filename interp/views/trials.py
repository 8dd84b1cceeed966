"""A map on trial: the score while a picture is taken away or put in, beside orders that know nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from interp.views.checks import Picture, ViewError, as_numbers, as_picture, same_length
from interp.views.page import Page
from interp.views.plots import (
    BLUE,
    GREEN,
    LINE_HEIGHT,
    VERMILLION,
    broken,
    even_ticks,
    lines_at,
    plot,
    put,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN: Final = 14.0
_LEFT: Final = 40.0
_PLOT: Final = 300.0
_HIGH: Final = 165.0
_GAP: Final = 22.0
_FRAME: Final = 52.0
_ROW: Final = 15.0
# The map on trial first; the others are told apart by their dashes, too.
_STYLES: Final[tuple[tuple[str, object, float], ...]] = (
    (BLUE, "-", 2.4),
    ("#6A6A6A", (0, (1, 1.6)), 1.8),
    (VERMILLION, (0, (5, 2.5)), 1.5),
    (GREEN, (0, (6, 2, 1, 2)), 1.5),
)


@dataclass(frozen=True)
class TrialLine:
    """One way to change the picture.

    Attributes:
        title: what the legend says.
        parts: of the picture that have changed, rising from 0 to 1.
        scores: at each; as many.
    """

    title: str
    parts: Sequence[float]
    scores: Sequence[float]

    @property
    def area(self) -> float:
        """The area under it, by the trapezoid rule."""
        return float(np.trapezoid(np.asarray(self.scores, float), np.asarray(self.parts, float)))


@dataclass(frozen=True)
class TrialPanel:
    """One test.

    Attributes:
        title: above it.
        about: under the title; which area is good.
        across: what the horizontal axis stands for.
        lines: the first is that of the map on trial, at most three more know nothing.
        frames: what the network saw on the way of the first, by part; at their places above the curve.
    """

    title: str
    about: str
    across: str
    lines: Sequence[TrialLine]
    frames: Sequence[tuple[float, Picture]] = ()


def trials_figure(panels: Sequence[TrialPanel], *, heading: str, caption: str, score: str) -> Figure:
    """Curves of a map on trial, with controls in the same axes and the area under each.

    Args:
        panels: side by side, on one scale.
        heading: one line above.
        caption: a line or two under it.
        score: what the vertical axis stands for.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no panel, or one has no line or too many, or a line's numbers do not go together.

    Example:
        >>> line = TrialLine("Grad-CAM", (0.0, 0.5, 1.0), (0.9, 0.2, 0.1))
        >>> panel = TrialPanel("Deletion", "lower is better", "taken away", [line])
        >>> round(line.area, 2), len(trials_figure([panel], heading="cat", caption="", score="p").axes)
        (0.35, 2)
    """
    if not panels:
        raise ViewError("give at least one panel")
    for panel in panels:
        _check(panel)
    said = broken(caption, 8.5, len(panels) * (_LEFT + _PLOT) + (len(panels) - 1) * _GAP, 3)
    rows = max(len(panel.lines) for panel in panels)
    above = _MARGIN + 24 + len(said) * 8.5 * LINE_HEIGHT + 12
    frames = _FRAME + 6 if any(panel.frames for panel in panels) else 0
    width = 2 * _MARGIN + len(panels) * (_LEFT + _PLOT) + (len(panels) - 1) * _GAP
    page = Page(width, above + 36 + frames + 14 + _HIGH + 42 + rows * _ROW + _MARGIN)
    page.text(_MARGIN, _MARGIN + 8, heading, 12.5, width - 2 * _MARGIN, bold=True)
    lines_at(page, _MARGIN, _MARGIN + 22, said, 8.5, width - 2 * _MARGIN, muted=True)
    scores = np.concatenate([np.asarray(line.scores, float) for panel in panels for line in panel.lines])
    low, high = min(0.0, float(scores.min())), float(scores.max())
    for number, panel in enumerate(panels):
        left = _MARGIN + _LEFT + number * (_LEFT + _PLOT + _GAP)
        _draw(page, left, above, frames, panel, score, (low, high + 0.04 * ((high - low) or 1.0)))
    return page.figure


def _check(panel: TrialPanel) -> None:
    if not 1 <= len(panel.lines) <= len(_STYLES):
        raise ViewError(f"{panel.title}: {len(panel.lines)} lines; give 1 to {len(_STYLES)}")
    for line in panel.lines:
        parts = as_numbers(line.parts, f"parts of {line.title}")
        scores = as_numbers(line.scores, f"scores of {line.title}")
        same_length(f"scores of {line.title}", len(scores), len(parts), "parts")
        if not (len(parts) > 1 and np.isfinite(scores).all() and (np.diff(parts) > 0).all()):
            raise ViewError(f"{line.title}: give finite scores at two or more rising parts")


def _draw(
    page: Page,
    left: float,
    top: float,
    frames: float,
    panel: TrialPanel,
    score: str,
    ends: tuple[float, float],
) -> None:
    page.text(left - _LEFT, top + 6, panel.title, 10.5, _PLOT, bold=True)
    page.text(left - _LEFT, top + 21, panel.about, 8.5, _LEFT + _PLOT, muted=True)
    for part, frame in panel.frames:
        _frame(page, left, top + 34, part, as_picture(frame, f"frames of {panel.title}"))
    above = top + 36 + frames + 14
    page.text(left - _LEFT, above - 9, score, 8, _LEFT + _PLOT, muted=True)
    axes = plot(page, left, above, _PLOT, _HIGH)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    first = panel.lines[0]
    axes.fill_between(first.parts, first.scores, 0, color=BLUE, alpha=0.14, linewidth=0)
    for line, (colour, dashes, wide) in reversed(list(zip(panel.lines, _STYLES, strict=False))):
        axes.plot(line.parts, line.scores, color=colour, linestyle=dashes, linewidth=wide, clip_on=False)
    even_ticks(axes, *ends)
    page.text(left + _PLOT, above + _HIGH + 25, panel.across, 8, _PLOT, muted=True, across="right")
    _legend(page, left, above + _HIGH + 38, panel.lines)


def _frame(page: Page, left: float, top: float, part: float, picture: Image.Image) -> None:
    """A frame whose middle stands over its part, as far as the ends of the axis allow."""
    zoom = _FRAME / max(picture.size)
    wide, high = picture.width * zoom, picture.height * zoom
    x = min(max(left + part * _PLOT - wide / 2, left), left + _PLOT - wide)
    page.picture(x, top + _FRAME - high, wide, high, picture)


def _legend(page: Page, left: float, top: float, lines: Sequence[TrialLine]) -> None:
    high = len(lines) * _ROW
    axes: Axes = page.axes(left, top, _PLOT, high)
    axes.set_axis_off()
    axes.set(xlim=(0, _PLOT), ylim=(high, 0))
    for row, (line, (colour, dashes, wide)) in enumerate(zip(lines, _STYLES, strict=False)):
        y = (row + 0.5) * _ROW
        axes.plot([0, 26], [y, y], color=colour, linestyle=dashes, linewidth=wide)
        weight = "bold" if row == 0 else "normal"
        put(axes, 34, y, line.title, 8.5, va="center", fontweight=weight)
        put(axes, _PLOT, y, f"area {line.area:.3f}", 8.5, va="center", ha="right", fontweight=weight)
