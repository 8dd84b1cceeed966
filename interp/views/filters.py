"""Kernels of a first convolution as small pictures on one scale around zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import Picture, ViewError, same_length
from interp.views.overlay import heat
from interp.views.pictures import picture_grid
from interp.views.scale import Scale, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREY: Final = 127.5


def filters_figure(
    kernels: npt.ArrayLike,
    *,
    labels: Sequence[str],
    captions: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
    columns: int | None = None,
) -> Figure:
    """Kernels in a grid, pixel by pixel: in colours around mid-grey, or blue to red for one channel.

    `127.5 + 127.5 · K / max|K|` with the largest value of all kernels, so that they can be compared.

    Args:
        kernels: (count, 3, height, width) or (count, 1, height, width).
        labels: one for each kernel, as "#17".
        captions: a second line for each.
        title: one line above.
        note: a line under the title; the scale is added.
        columns: kernels beside each other; a good number where None.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no kernel, its channels are neither 1 nor 3, its values are not finite, or
            labels or captions do not agree with the kernels.

    Example:
        >>> figure = filters_figure(np.ones((2, 3, 3, 3)), labels=["#0", "#1"])
        >>> len([axes for axes in figure.axes if axes.images])
        2
    """
    values = np.asarray(kernels, dtype=np.float64)
    if values.ndim != 4 or values.size == 0 or values.shape[1] not in (1, 3):
        raise ViewError(f"kernels: shape {values.shape}; give (count, 1 or 3, height, width)")
    if not np.isfinite(values).all():
        raise ViewError("kernels: there are values that are not finite")
    same_length("labels", len(labels), len(values), "kernels")
    if captions is not None:
        same_length("captions", len(captions), len(values), "kernels")
    largest = float(np.abs(values).max())
    cells = [_drawn(kernel, largest) for kernel in values]
    titles = [f"{a}\n{b}" for a, b in zip(labels, captions, strict=True)] if captions else list(labels)
    wide = columns or min(len(cells), max(8, math.ceil(math.sqrt(1.6 * len(cells)))))
    zero = "mid-grey" if values.shape[1] == 3 else "white"
    scale = f"one scale for all, ±{number(largest)}, {zero} is 0"
    return picture_grid(
        [cells[start : start + wide] for start in range(0, len(cells), wide)],
        titles=[titles[start : start + wide] for start in range(0, len(cells), wide)],
        heading=title,
        note=f"{note}; {scale}" if note else scale,
    )


def _drawn(kernel: npt.NDArray[np.float64], largest: float) -> Picture:
    if len(kernel) == 1:
        rows, columns = kernel[0].shape
        # Zeros have a scale, too: that of the other kernels.
        scale = Scale(-largest, largest, "signed") if largest > 0 else Scale.of(kernel[0], "signed")
        return np.asarray(heat(kernel[0], scale, (columns, rows)))
    level = kernel / largest if largest > 0 else kernel
    return np.rint(_GREY + _GREY * level).astype(np.uint8).transpose(1, 2, 0)
