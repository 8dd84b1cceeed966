"""The arrows of the U: down, up, and across, with what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from interp.views.page import Page
from interp.views.plots import BLUE, LINE, broken, lines_at

HEAD: Final = 26.0
"""Points above a picture, for its name and its size."""
_SMALL: Final = 7.5


@dataclass(frozen=True)
class Place:
    """Where a picture and its words lie, in points."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """The point in the middle of the picture."""
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def under(self) -> tuple[float, float]:
        """Where an arrow begins or ends below the words under it."""
        return self.middle[0], self.top + self.height + 18

    @property
    def over(self) -> tuple[float, float]:
        """Where one does above the words over it."""
        return self.middle[0], self.top - HEAD + 1


@dataclass(frozen=True)
class Row:
    """What of a level matters to its arrows.

    Attributes:
        down: whether there is something on the left.
        up: whether there is something on the right.
        skip: whether an arrow leads across.
        share: its thickness, 0 … 1.
        title: over that arrow.
        note: under it.
        kind: how what comes up to this level is made larger.
    """

    down: bool
    up: bool
    skip: bool
    share: float | None
    title: str
    note: str
    kind: str


def draw_arrows(page: Page, rows: Sequence[Row], places: Sequence[tuple[Place, Place]]) -> None:
    """Draw all arrows of a U.

    Args:
        page: to draw on.
        rows: from the finest grid to the coarsest but one; the picture is on the left of the first.
        places: left and right of each, and last, twice, that of the bottleneck.
    """
    bottom = places[-1][0]
    beside = list(zip(rows, places, strict=False))
    down = [left for number, (row, (left, _)) in enumerate(beside) if row.down or number == 0]
    up = [(row.kind, right) for row, (_, right) in beside if row.up]
    for upper, lower in pairwise(down):
        x = (upper.middle[0] + lower.middle[0]) / 2
        _draw(page, (x, upper.under[1]), (x, lower.over[1]))
    for (kind, upper), (_, lower) in pairwise(up):
        x, start, end = (upper.middle[0] + lower.middle[0]) / 2, lower.over[1], upper.under[1]
        _draw(page, (x, start), (x, end))
        page.text(x - 7, (start + end) / 2, kind, _SMALL, 140, muted=True, across="right")
    edge, y = bottom.left, bottom.middle[1]
    _draw(page, down[-1].under, (edge - 5, y))
    if up:
        kind, upper = up[-1]
        start = edge + bottom.width + 5
        _draw(page, (start, y), upper.under)
        x = (start + upper.under[0]) / 2 + 9
        lines = broken(kind, _SMALL, page.width - 8 - x, 3) if kind else []
        lines_at(page, x, (y + upper.under[1]) / 2 + 2, lines, _SMALL, page.width - 8 - x, muted=True)
    across = [(row, left, right) for row, (left, right) in beside if row.skip]
    for number, (row, left, right) in enumerate(across):
        start, end, y = left.left + left.width + 5, right.left - 5, left.middle[1]
        share = row.share if row.share is not None else 0.12
        _draw(page, (start, y), (end, y), BLUE, 0.7 + 4.3 * share)
        room, middle = end - start, (start + end) / 2
        # Without a share, one arrow says what all of them are.
        if number == 0 or row.share is not None:
            page.text(middle, y - 9 - 2 * share, row.title, 8.5, room, across="center")
        if row.note:
            lines = broken(row.note, _SMALL, room, 3)
            lines_at(page, middle, y + 5 + 2 * share, lines, _SMALL, room, centred=True, muted=True)


def _draw(
    page: Page, start: tuple[float, float], end: tuple[float, float], colour: str = LINE, thick: float = 1.2
) -> None:
    from matplotlib.patches import FancyArrowPatch

    ends = [(x / page.width, 1 - y / page.height) for x, y in (start, end)]
    page.figure.add_artist(
        FancyArrowPatch(
            *ends,
            transform=page.figure.transFigure,
            arrowstyle="-|>",
            mutation_scale=7 + 1.6 * thick,
            linewidth=thick,
            shrinkA=0,
            shrinkB=0,
            color=colour,
            joinstyle="miter",
            capstyle="butt",
        )
    )
