"""Boxes that say where the target really is, as detection data sets have them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from interp.metrics.trial import MetricError

COLUMNS = ("left", "top", "right", "bottom")
_NAMES = ("picture", "file", "name", "image")


class Boxes(tuple[tuple[float, float, float, float], ...]):
    """One or more boxes `(left, top, right, bottom)` in pixels of one picture, the ends outside.

    Example:
        >>> Boxes([(10, 10, 60, 40)])
        ((10.0, 10.0, 60.0, 40.0),)
    """

    __slots__ = ()

    def __new__(cls, boxes: Iterable[Sequence[float]]) -> Boxes:
        """Check them.

        Raises:
            MetricError: one is not four numbers, from a smaller to a larger.
        """
        return super().__new__(cls, [_checked(box) for box in boxes])

    def mask(self, size: tuple[int, int]) -> npt.NDArray[np.int64]:
        """Return `(height, width)`: 1 where a box has a pixel's centre, of a picture of (width, height)."""
        across, down = (np.arange(length) + 0.5 for length in size)
        inside = np.zeros((size[1], size[0]), bool)
        for left, top, right, bottom in self:
            inside |= ((down >= top) & (down < bottom))[:, None] & ((across >= left) & (across < right))
        return inside.astype(np.int64)


def read_boxes(path: str | Path) -> dict[str, Boxes]:
    """Return the boxes of each picture from a table with the columns picture, left, top, right, bottom.

    A picture may have several rows; then the truth is where any of its boxes is.

    Raises:
        MetricError: no such file, a column is missing, or a row has no box; it names the row.

    Example:
        >>> read_boxes("boxes.csv")["cat.jpg"]
        ((120.0, 40.0, 480.0, 390.0),)
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            names = {name.strip().lower(): name for name in table.fieldnames or ()}
            key = next((names[name] for name in _NAMES if name in names), None)
            missing = [name for name in COLUMNS if name not in names]
            if key is None or missing:
                wanted = ", ".join(["picture"] * (key is None) + missing)
                raise MetricError(
                    f"{path.name} has no column {wanted}; it needs picture, {', '.join(COLUMNS)}."
                )
            found: dict[str, list[Sequence[float]]] = {}
            for row in table:
                found.setdefault(row[key] or "", []).append(_numbers(row, names, path, table.line_num))
            return {name: Boxes(boxes) for name, boxes in found.items()}
    except (OSError, UnicodeError, csv.Error) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "it is no table of text"
        raise MetricError(f"the boxes {path.name} cannot be read: {reason}.") from error


def _numbers(row: dict[str, str], names: dict[str, str], path: Path, line: int) -> tuple[float, ...]:
    try:
        return _checked([float(row[names[name]]) for name in COLUMNS])
    except (TypeError, ValueError):
        raise MetricError(
            f"line {line} of {path.name} has no box: give left < right and top < bottom, in pixels."
        ) from None


def _checked(box: Sequence[float]) -> tuple[float, float, float, float]:
    numbers = [float(number) for number in box]
    if len(numbers) == 4 and all(map(math.isfinite, numbers)):
        left, top, right, bottom = numbers
        if left < right and top < bottom:
            return left, top, right, bottom
    raise MetricError(
        f"the box {tuple(box)!r:.80} is none: give left < right and top < bottom, in pixels of the picture."
    )
