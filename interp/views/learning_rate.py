"""The search for a learning rate, drawn: where the loss falls, and where it explodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import Numbers, ViewError, as_numbers, same_length
from interp.views.page import Page
from interp.views.plots import BLUE, GREEN, VERMILLION, even_ticks, log_ticks, measured, plot
from interp.views.scale import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH: Final = 460.0
_LEFT: Final = 50.0
_INNER: Final = _WIDTH - _LEFT - 18
_TOP: Final = 54.0
_HIGH: Final = 190.0


def learning_rate_figure(
    rates: npt.ArrayLike,
    losses: npt.ArrayLike,
    suggestion: float | None,
    lower: float | None = None,
) -> Figure:
    """The loss over the learning rate, with the rates that were chosen.

    The axis ends a little above the loss at the start: what explodes runs out of the picture, and the
    valley stays visible.

    Args:
        rates: learning rates above 0, one for each step of the search.
        losses: the loss at each, as smooth as it shall be drawn; NaN is not drawn.
        suggestion: the rate to train with, marked; None where the search found none.
        lower: a second, smaller rate, as the one for the first layers, marked.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there are no rates, one is not above 0, there is not one loss for each, no loss
            is finite, or a marked rate is not above 0.

    Example:
        >>> figure = learning_rate_figure([1e-4, 1e-3, 1e-2], [2.0, 1.0, 9.0], 1e-3)
        >>> figure.axes[0].get_xscale()
        'log'
    """
    x, y = as_numbers(rates, "rates"), as_numbers(losses, "losses")
    same_length("losses", len(y), len(x), "rates")
    if not len(x) or not (x > 0).all():
        raise ViewError("rates: give at least one, each finite and above 0")
    marks = [
        (name, rate, colour)
        for name, rate, colour in (("lower", lower, GREEN), ("suggested", suggestion, VERMILLION))
        if rate is not None
    ]
    for name, rate, _ in marks:
        if not 0 < rate < float("inf"):
            argument = "suggestion" if name == "suggested" else name
            raise ViewError(f"{argument} {rate}: give a rate above 0, or None")
    low, high, cut = _limits(x, y)
    page = Page(_WIDTH, _TOP + _HIGH + 42)
    page.text(_LEFT, 18, "loss over the learning rate", 11, _INNER, bold=True)
    axes = plot(page, _LEFT, _TOP, _INNER, _HIGH)
    axes.plot(x, y, color=BLUE, linewidth=1.6)
    ends = [*x, *(rate for _, rate, _ in marks)]
    log_ticks(axes, "x", min(ends) / 1.3, max(ends) * 1.3, 9)
    even_ticks(axes, low, high, 5)
    axes.grid(visible=True, axis="x", color="#F0F0F0", linewidth=0.6)
    _mark(page, axes, marks, x, y)
    notes = ["" if suggestion is not None else "no rate is suggested", cut]
    page.text(_LEFT, _TOP + _HIGH + 30, "  \N{MIDDLE DOT}  ".join(filter(None, notes)), 8, 300, muted=True)
    page.text(_LEFT + _INNER, _TOP + _HIGH + 30, "learning rate", 8, 90, muted=True, across="right")
    return page.figure


def _limits(rates: Numbers, losses: Numbers) -> tuple[float, float, str]:
    """Where the axis of the loss begins and ends, and what that hides, in words."""
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise ViewError("losses: no value is finite")
    low, highest = float(finite.min()), float(finite.max())
    # The valley is what lies before the lowest point; a search that only rises has no valley.
    bottom = int(np.nanargmin(losses))
    before = losses[: bottom + 1]
    valley = float(np.nanpercentile(before, 95)) if bottom else float(np.median(finite))
    depth = max(valley - low, 0.02 * abs(low), 1e-6)
    top = min(highest, valley + 0.5 * depth)
    air = 0.07 * max(top - low, depth)
    cut = "" if top == highest else f"loss goes on up to {number(highest)}"
    return low - air, top + air, cut


def _mark(
    page: Page, axes: Axes, marks: list[tuple[str, float, str]], rates: Numbers, losses: Numbers
) -> None:
    """A line at each marked rate, a point on the curve, and its number above the plot."""
    start, end = np.log(axes.get_xlim())
    known = np.isfinite(losses)
    for index, (name, rate, colour) in enumerate(marks):
        axes.axvline(rate, color=colour, linewidth=1.2, linestyle="--", zorder=1.5)
        if rates[known].min() <= rate <= rates[known].max():
            order = np.argsort(rates[known])
            level = np.interp(np.log(rate), np.log(rates[known][order]), losses[known][order])
            axes.plot([rate], [level], "o", color=colour, markersize=6, zorder=3)
        words = f"{name} {number(rate)}"
        half = measured(words, 9, bold=True) / 2
        x = _LEFT + _INNER * float((np.log(rate) - start) / (end - start))
        x = min(max(x, _LEFT + half), _LEFT + _INNER - half)
        # Two rates may be close: each has a line of its own.
        page.text(x, _TOP - 6 - 12 * (len(marks) - 1 - index), words, 9, _INNER, bold=True, across="center")
        page.figure.texts[-1].set_color(colour)
