"""Pictures that excite channels most, with how far they came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interp.views.checks import ViewError, as_numbers, same_length
from interp.views.pictures import picture_grid
from interp.views.scale import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_COLUMNS = 5


def visualisation_figure(
    pictures: Sequence[npt.ArrayLike],
    names: Sequence[str],
    *,
    values: npt.ArrayLike | None = None,
    best: npt.ArrayLike | None = None,
    columns: int | None = None,
    heading: str = "",
    note: str = "",
) -> Figure:
    """Visualised features in a grid, each with its name, the value it reached and the best of a data set.

    Args:
        pictures: uint8 (height, width, 3).
        names: one for each picture.
        values: what each reached, in units of the activation; NaN is left out.
        best: the largest value of the same kind that pictures of a data set reach, for comparison.
        columns: of the grid; default: as square as it goes, five at most.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, one is none, or names or numbers are not as many.

    Example:
        >>> grey = np.full((8, 8, 3), 128, np.uint8)
        >>> figure = visualisation_figure([grey], ["conv1:3"], values=[4.2], best=[1.5])
        >>> [text.get_text() for text in figure.texts if text.get_text()]
        ['conv1:3', '4.2, pictures 1.5']
    """
    count = len(pictures)
    if count == 0:
        raise ViewError("pictures: give at least one")
    same_length("names", len(names), count, "pictures")
    if columns is not None and columns < 1:
        raise ViewError(f"columns: {columns}; give 1 or more")
    reached, known = (_column(given, name, count) for given, name in ((values, "values"), (best, "best")))
    titles = [
        "\n".join([name, *_words(value, most)])
        for name, value, most in zip(names, reached, known, strict=True)
    ]
    wide = columns or min(_MOST_COLUMNS, math.ceil(math.sqrt(count)))
    starts = range(0, count, wide)
    return picture_grid(
        [list(pictures[start : start + wide]) for start in starts],
        titles=[titles[start : start + wide] for start in starts],
        heading=heading,
        note=note,
    )


def _column(given: npt.ArrayLike | None, name: str, count: int) -> list[float]:
    if given is None:
        return [math.nan] * count
    numbers = as_numbers(given, name)
    same_length(name, len(numbers), count, "pictures")
    return [float(value) for value in np.asarray(numbers)]


def _words(value: float, most: float) -> list[str]:
    parts = [number(value)] if not math.isnan(value) else []
    parts += [f"pictures {number(most)}"] if not math.isnan(most) else []
    return [", ".join(parts)] if parts else []
