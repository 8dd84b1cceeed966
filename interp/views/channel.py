"""All that is known of one channel, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Numbers, ViewError, as_numbers, as_picture
from interp.views.overlay import heat
from interp.views.page import FAMILY, Page
from interp.views.pictures import place_picture
from interp.views.plots import BLUE, ORANGE, VERMILLION, even_ticks, plot, put
from interp.views.scale import Scale, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN: Final = 14.0
_GAP: Final = 22.0
_BIG: Final = 258.0
_WIDE: Final = 300.0
_SMALL: Final = 128.0
_HEAD: Final = 62.0
_TITLE: Final = 20.0
_BINS: Final = 40


@dataclass(frozen=True)
class Bars:
    """Named numbers of one panel, drawn in the order given."""

    names: Sequence[str]
    values: Sequence[float]


@dataclass(frozen=True)
class Shown:
    """A picture with a line of words under it."""

    picture: npt.ArrayLike
    words: str = ""


def channel_figure(
    *,
    heading: str,
    caption: str,
    crops: Sequence[Shown],
    maxima: npt.ArrayLike,
    visualisation: Shown | None = None,
    reached: float | None = None,
    effects: Bars | None = None,
    kernel: npt.ArrayLike | None = None,
    kernel_words: str = "",
    inputs: Bars | None = None,
    neighbours: Sequence[Shown] = (),
) -> Figure:
    """One channel: what drives it most, in theory and in pictures, how often it fires, what it does.

    Args:
        heading: one line: which channel of which layer of which model.
        caption: one line under it.
        crops: what drives the channel most among real pictures, nine at most, the strongest first.
        maxima: the channel's maximum on each picture, for the histogram.
        visualisation: the picture made to drive the channel; words stand in its place where None.
        reached: the channel's maximum on that picture, marked in the histogram.
        effects: what each class gains by the channel.
        kernel: (k, k) or, of a filter on RGB, (k, k, 3): signed weights.
        kernel_words: what the kernel is, or why there is none.
        inputs: the weights of the strongest channels that the channel is made of, where it has no kernel.
        neighbours: pictures of the channels that fire with this one.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there are no maxima, or something is not a picture.

    Example:
        >>> grey = np.full((8, 8, 3), 128, np.uint8)
        >>> figure = channel_figure(heading="channel 3", caption="", crops=[Shown(grey)], maxima=[0.1, 0.9])
    """
    numbers = as_numbers(maxima, "maxima")
    if not len(numbers):
        raise ViewError("maxima: give at least one")
    middle, right = _MARGIN + _BIG + _GAP, _MARGIN + 2 * (_BIG + _GAP)
    lower = _HEAD + _TITLE + _BIG + _GAP
    page = Page(right + _WIDE + _MARGIN, lower + _TITLE + _SMALL + 16 + _MARGIN)
    room = page.width - 2 * _MARGIN
    page.text(_MARGIN, _MARGIN + 9, heading, 15, room, bold=True)
    page.text(_MARGIN, _MARGIN + 29, caption, 9.5, room, muted=True)

    _title(page, _MARGIN, _HEAD, "drawn to drive it", _BIG)
    _draw_visualisation(page, visualisation)
    _title(page, middle, _HEAD, "driven most by", _BIG)
    _draw_crops(page, crops, middle)
    _title(page, right, _HEAD, f"its maximum on {len(numbers):,} picture{'s' * (len(numbers) != 1)}", _WIDE)
    _draw_histogram(page, right, _HEAD + _TITLE + 4, numbers, reached)
    half = _HEAD + _TITLE + _BIG / 2 + 12
    _title(page, right, half, "what the classes lose without it (logit)", _WIDE)
    _draw_bars(
        page, right, half + _TITLE, _BIG / 2 - 30, effects, "no classes: the network puts out a picture"
    )

    _title(page, _MARGIN, lower, kernel_words or "made of", _BIG)
    _draw_origin(page, lower + _TITLE, kernel, inputs)
    _title(page, middle, lower, "channels that fire where it fires (cosine)", _BIG + _GAP + _WIDE)
    _draw_neighbours(page, neighbours, middle, lower + _TITLE, _BIG + _GAP + _WIDE)
    return page.figure


def _title(page: Page, left: float, top: float, words: str, room: float) -> None:
    page.text(left, top + 8, words, 9.5, room, bold=True)


def _draw_visualisation(page: Page, shown: Shown | None) -> None:
    top = _HEAD + _TITLE
    if shown is None:
        _say(page, _MARGIN, top, _BIG, _BIG, "not drawn")
        return
    picture = as_picture(shown.picture, "visualisation")
    place_picture(page, picture, _MARGIN, top, _BIG, _BIG)


def _draw_crops(page: Page, crops: Sequence[Shown], left: float) -> None:
    gap, words, top = 5.0, 10.0, _HEAD + _TITLE
    side = (_BIG - 2 * gap) / 3
    if not crops:
        _say(page, left, top, _BIG, _BIG, "no picture drives it")
    for index, crop in enumerate(crops[:9]):
        row, column = divmod(index, 3)
        x, y = left + column * (side + gap), top + row * (side + gap)
        picture = as_picture(crop.picture, f"crops[{index}]")
        place_picture(page, picture, x, y, side, side - words)
        page.text(x + side / 2, y + side - words / 2 + 1, crop.words, 6.5, side, muted=True, across="center")


def _draw_histogram(page: Page, left: float, top: float, values: Numbers, reached: float | None) -> None:
    high, inset = _BIG / 2 - 34, 30.0
    finite = values[np.isfinite(values)]
    if not len(finite):
        _say(page, left, top, _WIDE, high, "no finite value")
        return
    axes = plot(page, left + inset, top, _WIDE - inset, high, 7.5)
    shown = finite if reached is None or not np.isfinite(reached) else np.append(finite, reached)
    low, most = float(shown.min()), float(shown.max())
    edges = np.linspace(low, most if most > low else low + 1, _BINS + 1)
    counts, _ = np.histogram(finite, edges)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, linewidth=0)
    even_ticks(axes, 0.0, float(counts.max()) * 1.18, 3)
    axes.set_xlim(edges[0], edges[-1] + 0.02 * (edges[-1] - edges[0]))
    inside = [float(tick) for tick in axes.get_xticks() if edges[0] <= tick <= edges[-1]]
    axes.set_xticks(inside, [number(tick) for tick in inside])
    if reached is None or not np.isfinite(reached):
        return
    axes.axvline(reached, color=VERMILLION, linewidth=1.4)
    part = (reached - edges[0]) / (edges[-1] - edges[0])
    side, away = ("right", -4) if part > 0.5 else ("left", 4)
    x = reached + away * float(np.ptp(axes.get_xlim())) / (_WIDE - inset)
    words = f"the drawn picture: {number(reached)}"
    put(axes, x, axes.get_ylim()[1], words, 8, ha=side, va="top", color=VERMILLION)


def _draw_bars(page: Page, left: float, top: float, high: float, bars: Bars | None, otherwise: str) -> None:
    if bars is None or not bars.names:
        _say(page, left, top, _WIDE if left > _MARGIN else _BIG, high, otherwise)
        return
    names, values = 118.0, np.asarray(bars.values, dtype=float)
    wide = (_WIDE if left > _MARGIN else _BIG) - names - 4
    step = min(high / len(values), 17.0)
    for index, name in enumerate(bars.names):
        page.text(left + names, top + step * (index + 0.5), name, 8.5, names, across="right")
    axes = page.axes(left + names + 4, top, wide, step * len(values))
    axes.set_axis_off()
    _bars(axes, values, wide)


def _bars(axes: Axes, values: Numbers, wide: float) -> None:
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    span = (high - low) or 1.0
    room = 40 / wide * span / (1 - min(80 / wide, 0.8))
    axes.set(xlim=(low - room * (low < 0), high + room), ylim=(len(values) - 0.5, -0.5))
    colours = [BLUE if value >= 0 else ORANGE for value in values]
    axes.barh(np.arange(len(values)), values, height=0.66, color=colours, linewidth=0)
    axes.axvline(0, color="#666666", linewidth=0.7)
    away = 4 * float(np.ptp(axes.get_xlim())) / wide
    for place, value in enumerate(values.tolist()):
        side, x = ("left", value + away) if value >= 0 else ("right", value - away)
        put(axes, x, place, number(value), 8, va="center_baseline", ha=side)


def _draw_origin(page: Page, top: float, kernel: npt.ArrayLike | None, inputs: Bars | None) -> None:
    """The kernel with its range beside it, or the channels that the channel is made of."""
    if kernel is None:
        _draw_bars(page, _MARGIN, top, _SMALL, inputs, "no convolution makes it")
        return
    weights = np.asarray(kernel, dtype=np.float32)
    most = float(np.abs(weights).max())
    if weights.ndim == 3:
        grey = 0.5 + weights / (2 * most or 1.0)
        picture = Image.fromarray(np.round(255 * grey).astype(np.uint8))
        page.text(
            _MARGIN + _SMALL + 8,
            top + 8,
            f"mid-grey is 0, range ±{number(most)}",
            8,
            _BIG - _SMALL,
            muted=True,
        )
    else:
        scale = Scale(-(most or 1.0), most or 1.0, "signed")
        side = max(weights.shape)
        picture = heat(
            weights,
            scale,
            (weights.shape[1] * (240 // side), weights.shape[0] * (240 // side)),
            interpolation="nearest",
        )
        page.bar(_MARGIN + _SMALL + 8, top, 8, _SMALL, scale, None, "")
    place_picture(page, picture, _MARGIN, top, _SMALL, _SMALL)


def _draw_neighbours(page: Page, shown: Sequence[Shown], left: float, top: float, room: float) -> None:
    if not shown:
        _say(page, left, top, room, _SMALL, "no other channel")
        return
    gap = 8.0
    side = min((room - gap * (len(shown) - 1)) / len(shown), _SMALL)
    for index, one in enumerate(shown):
        x = left + index * (side + gap)
        picture = as_picture(one.picture, f"neighbours[{index}]")
        place_picture(page, picture, x, top, side, side)
        page.text(x + side / 2, top + side + 8, one.words, 8, side, across="center", muted=True)


def _say(page: Page, left: float, top: float, wide: float, high: float, words: str) -> None:
    axes = page.axes(left, top, wide, high)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("#F2F2F2")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=9, fontfamily=FAMILY, color="#666666")
