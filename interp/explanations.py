"""What `explain` gives back for several pictures, targets, layers or methods: a list that draws itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from interp.arranging import Columns, arrange
from interp.explanation import DPI, FIGURES, Explanation, ExplanationError, drawn_share
from interp.files import write_drawn
from interp.views import Drawing, Interpolation, Shared, grid_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Explanations(list[Explanation]):
    """Several explanations, ordered by picture, then target, layer and method."""

    def grid(
        self,
        opacity: float = 0.6,
        colormap: str | None = None,
        threshold: float | None = None,
        interpolation: Interpolation = "bilinear",
        *,
        shared: Shared = False,
        columns: Columns | None = None,
    ) -> Figure:
        """Return overlays in rows and columns.

        Columns are what varies fastest among the maps of one picture, rows all the rest. Every map is drawn
        as its method wants it (positive, signed, range), with the ends of its scale under it.

        `shared` gives one scale to all maps (`True`) or to those of each row that are drawn alike (`"row"`):
        equal colours are then equal values. `columns` ("target", "layer", "method") chooses what is across.

        Raises:
            ExplanationError: there is nothing to draw.
            GridError, ViewError: a choice is out of its range, or not on offer.
        """
        drawing = Drawing(opacity, colormap, threshold, interpolation)
        if not self:
            raise ExplanationError("there is no explanation to draw.")
        arranged = arrange(self, columns)
        first = arranged.first
        return grid_figure(
            [explanation.picture for explanation in first],
            [[None if each is None else each.values for each in row] for row in arranged.rows],
            row_labels=arranged.row_labels,
            column_labels=arranged.column_labels,
            boxes=[explanation._corners for explanation in first],
            display=[
                [(each or start).method.display for each in row]
                for row, start in zip(arranged.rows, first, strict=True)
            ],
            shares=[
                [1.0 if each is None else drawn_share(each.method) for each in row] for row in arranged.rows
            ],
            notes=[["" if each is None else " · ".join(each.notes) for each in row] for row in arranged.rows],
            shared=shared,
            native=True,
            **asdict(drawing),
        )

    def save(
        self,
        path: str | Path,
        *,
        opacity: float = 0.6,
        colormap: str | None = None,
        threshold: float | None = None,
        interpolation: Interpolation = "bilinear",
        shared: Shared = False,
        columns: Columns | None = None,
    ) -> Path:
        """Write the grid as a figure (`.png`, `.pdf`, `.svg`, `.jpg`, `.webp`), drawn as by `grid`.

        Raises:
            ExplanationError: the ending is none of these, or there is nothing to draw.
            GridError, ViewError: a choice is out of its range, or not on offer.
        """
        path = Path(path)
        if path.suffix.lower() not in FIGURES:
            raise ExplanationError(f"{path.name}: end the name in {', '.join(FIGURES)}.")
        figure = self.grid(opacity, colormap, threshold, interpolation, shared=shared, columns=columns)
        with write_drawn(path) as drawn:
            figure.savefig(drawn, dpi=DPI, format=path.suffix[1:])
        return path
