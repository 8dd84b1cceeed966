"""Maps of a layer's channels beside their picture, each with its number and range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Picture, ViewError, same_length
from interp.views.overlay import bar, heat, overlay
from interp.views.pictures import picture_grid
from interp.views.scale import NO_POSITIVE_EVIDENCE, Display, Scale, as_map, number, shared_limits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_T = TypeVar("_T")

# Enlarged pixel by pixel from here on: the cells of a map are seen as they are.
_LARGEST: Final = 360


def channels_figure(
    picture: Image.Image | None,
    maps: Sequence[npt.ArrayLike],
    *,
    labels: Sequence[str],
    heading: str = "",
    note: str = "",
    display: Display = "positive",
    shared: bool = False,
    over: bool = False,
    colormap: str | None = None,
    columns: int | None = None,
) -> Figure:
    """A picture, then maps of channels at their own resolution, each with a label and its range.

    Args:
        picture: what the network saw, which the maps cover; left out where None.
        maps: raw values, each (height, width).
        labels: one for each map, as "#17"; of two lines at most.
        heading: one line above.
        note: a line under the heading; what the colours stand for is added.
        display: which part of the values is drawn, of all maps alike.
        shared: draw all maps on one scale, so that colours can be compared; a bar comes last.
        over: draw the maps over the picture.
        colormap: a key of `COLORMAPS`; the display's default where None.
        columns: cells beside each other; a good number where None.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no map, labels do not agree with maps, or a picture is missing to draw over.

    Example:
        >>> cat = Image.new("RGB", (64, 64), "orange")
        >>> figure = channels_figure(cat, [[[0.0, 2.0]], [[0.0, 0.0]]], labels=["#0", "#1"])
        >>> [text.get_text() for text in figure.texts if "#" in text.get_text()]
        ['#0', '#1']
    """
    if not maps:
        raise ViewError("maps: give at least one")
    same_length("labels", len(labels), len(maps), "maps")
    if over and picture is None:
        raise ViewError("over: give a picture to draw the maps over")
    limits = shared_limits(maps, display) if shared else None
    cells: list[npt.ArrayLike | None] = [] if picture is None else [np.asarray(picture.convert("RGB"))]
    titles = [] if picture is None else ["picture"]
    for label, map in zip(labels, maps, strict=True):
        own, scale = Scale.of(map, display), Scale.of(map, display, limits)
        cells.append(_drawn(map, scale, picture if over else None, colormap))
        titles.append(f"{label}\n{said_range(own)}")
    if limits is not None:
        common = Scale(*limits, display)
        cells.append(np.asarray(bar(common, colormap, (120, 24))))
        titles.append(f"all on one scale\n{said_range(common)}")
    wide = columns or _columns(len(cells))
    return picture_grid(
        _in_rows(cells, wide),
        titles=_in_rows(titles, wide),
        heading=heading,
        note=_noted(note, display, shared),
    )


def said_range(scale: Scale) -> str:
    """The values that the colours of a map stand for, in a few words.

    Example:
        >>> said_range(Scale(-2.0, 2.0, "signed")), said_range(Scale.of([[0.0, 0.0]]))
        ('±2', 'all 0')
    """
    if scale.verdict is None:
        return f"±{number(scale.high)}" if scale.display == "signed" else scale.text
    if math.isnan(scale.low) or "non-finite" in scale.verdict:
        return "not finite"
    if scale.low == scale.high:
        return f"all {number(scale.high)}"
    return NO_POSITIVE_EVIDENCE if scale.display == "positive" else f"about {number(scale.high)}"


def _drawn(map: npt.ArrayLike, scale: Scale, picture: Image.Image | None, colormap: str | None) -> Picture:
    """One map in colours: a pixel for each of its cells, or over the picture."""
    if picture is not None:
        return np.asarray(overlay(picture, map, scale=scale, colormap=colormap, words=False))
    rows, columns = as_map(map).shape
    zoom = min(1.0, _LARGEST / max(rows, columns))
    size = max(round(columns * zoom), 1), max(round(rows * zoom), 1)
    return np.asarray(heat(map, scale, size, colormap))


def _noted(note: str, display: Display, shared: bool) -> str:
    each = "all maps on one scale" if shared else "each map on its own scale"
    sense = {
        "positive": f"{each} from 0",
        "signed": f"{each}, white is 0, blue below and red above",
        "range": f"{each} from its lowest to its highest value" if not shared else each,
    }[display]
    return f"{note}; {sense}" if note else sense


def _columns(cells: int) -> int:
    """Cells in a row: a page a bit wider than high, with few places left empty at its end."""
    best = math.sqrt(2 * cells)
    around = range(max(math.floor(best) - 1, 1), min(math.ceil(best) + 2, cells) + 1)
    return min(around, key=lambda wide: (-cells % wide) + 2 * abs(wide - best), default=1)


def _in_rows(cells: Sequence[_T], wide: int) -> list[Sequence[_T]]:
    return [cells[start : start + wide] for start in range(0, len(cells), wide)]
