"""A picture and one map for each stage of a network, in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.channels import channels_figure
from interp.views.checks import ViewError, same_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More beside each other would be too small for their words.
_ONE_ROW: Final = 7
_LONGEST: Final = 22


def strip_figure(
    picture: Image.Image,
    maps: Sequence[npt.ArrayLike],
    *,
    layers: Sequence[str],
    shapes: Sequence[tuple[int, int, int]],
    title: str = "",
    over: bool = False,
    colormap: str | None = None,
) -> Figure:
    """Picture | map | map | …, each map with its layer, the layer's shape and its own range above.

    Args:
        picture: what the network saw, which the maps cover.
        maps: raw values, each (height, width); all drawn around zero where any has negative values.
        layers: name of each map's layer; the end of a long one is shown.
        shapes: (channels, height, width) of each layer.
        title: one line above.
        over: draw the maps over the picture.
        colormap: a key of `COLORMAPS`; the display's default where None.

    Returns:
        A figure of its own, in two rows or more where there are many maps; no window and no global state
        of matplotlib knows it.

    Raises:
        ViewError: there is no map, or layers and shapes do not agree with maps.

    Example:
        >>> cat = Image.new("RGB", (64, 64), "orange")
        >>> figure = strip_figure(cat, [[[0.0, 1.0]]], layers=["stem"], shapes=[(8, 1, 2)])
        >>> [text.get_text() for text in figure.texts if "×" in text.get_text()]
        ['8 × 1 × 2']
    """
    if not maps:
        raise ViewError("maps: give at least one")
    same_length("layers", len(layers), len(maps), "maps")
    same_length("shapes", len(shapes), len(maps), "maps")
    names = [name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}" for name in layers]
    rows = -(-(len(maps) + 1) // _ONE_ROW)
    return channels_figure(
        picture,
        maps,
        labels=[f"{name}\n{' × '.join(map(str, shape))}" for name, shape in zip(names, shapes, strict=True)],
        heading=title,
        display="signed" if any(bool((np.asarray(map) < 0).any()) for map in maps) else "positive",
        over=over,
        colormap=colormap,
        columns=-(-(len(maps) + 1) // rows),
    )
