"""Several trainings in one plot: the same metric over the epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from interp.views.checks import Numbers, ViewError, as_numbers
from interp.views.page import Page
from interp.views.plots import BLUE, GREEN, ORANGE, PURPLE, VERMILLION, even_ticks, log_ticks, plot
from interp.views.scale import number
from interp.views.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Good = Literal["high", "low", ""]

_WIDTH: Final = 760.0
_LEFT: Final = 50.0
_INNER: Final = _WIDTH - _LEFT - 16
_TOP: Final = 34.0
_HIGH: Final = 220.0
_ROW: Final = 15.0
_DASH: Final = 30.0
# Lines are told apart by colour, by the shape of their points and by their dashes.
_COLOURS: Final = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE)
_POINTS: Final = ("o", "s", "^", "D", "v")
_DASHES: Final = ("-", "--", ":")
_MOST: Final = len(_COLOURS) * len(_DASHES)


def runs_figure(curves: Mapping[str, npt.ArrayLike], *, metric: str, good: Good = "") -> Figure:
    """One metric of several trainings over their epochs, with a list of last and best values.

    NaN is not drawn. Where all values are positive and span decades, the axis is logarithmic.

    Args:
        curves: for each run one value for each of its epochs.
        metric: what the values are.
        good: whether it is good when `high` or `low`, so that the best values can be named.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no run, there are too many, or one has no epoch.

    Example:
        >>> figure = runs_figure({"small": [0.5, 0.3], "large": [0.4, 0.2]}, metric="error_rate", good="low")
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['small', 'large']
    """
    if not 1 <= len(curves) <= _MOST:
        raise ViewError(f"curves: {len(curves)} runs; give 1 to {_MOST}")
    columns = {name: as_numbers(values, f"curves[{name!r}]") for name, values in curves.items()}
    if empty := [name for name, values in columns.items() if not len(values)]:
        raise ViewError(f"curves[{empty[0]!r}]: has no epoch")
    page = Page(_WIDTH, _TOP + _HIGH + 46 + _ROW * (len(columns) + 1))
    page.text(_LEFT, 16, f"{metric} over the epochs", 11, _INNER, bold=True)
    axes = plot(page, _LEFT, _TOP, _INNER, _HIGH)
    longest = max(map(len, columns.values()))
    for place, (name, values) in enumerate(columns.items()):
        _line(axes, place, np.arange(1, len(values) + 1), values, name, longest)
    _limits(axes, np.concatenate(list(columns.values())), longest)
    page.text(_LEFT + _INNER, _TOP + _HIGH + 20, "epoch", 8, 40, across="right", muted=True)
    _list(page, columns, good)
    return page.figure


def _line(axes: Axes, place: int, at: npt.ArrayLike, values: Numbers, label: str, longest: int) -> None:
    axes.plot(
        at,
        values,
        color=_COLOURS[place % len(_COLOURS)],
        linestyle=_DASHES[place // len(_COLOURS)],
        marker=_POINTS[place % len(_POINTS)],
        # A point for each of hundreds of epochs would be a worm.
        markevery=max(1, longest // 30),
        markersize=4,
        linewidth=1.4,
        label=label,
    )


def _limits(axes: Axes, values: Numbers, longest: int) -> None:
    finite = values[np.isfinite(values)]
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        if low > 0 and high / low > 60:
            log_ticks(axes, "y", low / 1.3, high * 1.3)
        else:
            air = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
            even_ticks(axes, low - air, high + air, 5)
    step = next(s * 10**ten for ten in range(9) for s in (1, 2, 5) if longest / (s * 10**ten) <= 15)
    axes.set_xlim(1 - 0.02 * longest, longest + 0.02 * longest)
    axes.set_xticks([1, *range(step, longest + 1, step)] if step > 1 else range(1, longest + 1))


def _list(page: Page, columns: Mapping[str, Numbers], good: Good) -> None:
    """Each run's line, name, last and best value."""
    top = _TOP + _HIGH + 38
    at = _LEFT + _INNER
    page.text(at - 170, top, "last", 8, 60, across="right", muted=True)
    if good:
        page.text(at, top, "best (epoch)", 8, 90, across="right", muted=True)
    for place, (name, values) in enumerate(columns.items()):
        y = top + _ROW * (place + 1)
        legend = page.axes(_LEFT, y - 5, _DASH, 10)
        legend.set_axis_off()
        _line(legend, place, [0, 1, 2], np.array([np.nan, 0.0, np.nan]), "", 3)
        legend.axhline(0, color=_COLOURS[place % 5], linestyle=_DASHES[place // 5], linewidth=1.4)
        page.text(_LEFT + _DASH + 8, y, clean(name), 8.5, _INNER - _DASH - 250)
        finite = np.flatnonzero(np.isfinite(values))
        if not finite.size:
            page.text(at - 170, y, "no values", 8.5, 60, across="right", muted=True)
            continue
        page.text(at - 170, y, number(float(values[finite[-1]])), 8.5, 60, across="right")
        if good:
            best = int(np.nanargmax(values) if good == "high" else np.nanargmin(values))
            page.text(
                at, y, f"{number(float(values[best]))} ({best + 1})", 8.5, 90, across="right", bold=True
            )
