"""The pictures that excite channels most, a row for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy.typing as npt

from interp.views.checks import same_length
from interp.views.pictures import picture_grid
from interp.views.scale import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def examples_figure(
    crops: Sequence[Sequence[npt.ArrayLike]],
    values: Sequence[Sequence[float]],
    labels: Sequence[str],
    *,
    heading: str = "",
    note: str = "",
) -> Figure:
    """Crops in rows, the strongest first, with the channel's value above each.

    Args:
        crops: for each channel its pictures, uint8 (height, width, 3), of any sizes.
        values: the channel's activation in each of them.
        labels: one for each channel.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, something is not a picture, or the numbers do not agree.

    Example:
        >>> grey = np.full((8, 8, 3), 128, np.uint8)
        >>> figure = examples_figure([[grey, grey]], [[2.5, 1.0]], ["channel 3"])
        >>> [text.get_text() for text in figure.texts if text.get_text()]
        ['channel 3', '2.5', '1']
    """
    same_length("values", len(values), len(crops), "rows of crops")
    same_length("labels", len(labels), len(crops), "rows of crops")
    return picture_grid(
        crops,
        titles=[[number(float(value)) for value in row] for row in values],
        row_labels=labels,
        heading=heading,
        note=note,
    )
