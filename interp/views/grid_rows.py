"""The rows of a grid of maps, and which of their cells share a scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import cast

import numpy.typing as npt
from PIL import Image

from interp.views.overlay import Box
from interp.views.scale import Display, Scale, check_display, shared_limits


@dataclass(frozen=True)
class Cell:
    """A map, or None; which part of its values is drawn, of how many positions, and what is said under it."""

    map: npt.ArrayLike | None
    display: Display
    share: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Maps over one picture; `box` is what they cover of it."""

    picture: Image.Image
    cells: Sequence[Cell]
    box: Box | None

    @property
    def displays(self) -> list[Display]:
        """In how many ways its maps are drawn, each once, in order."""
        return _displays(self.cells)


def rows_of(
    pictures: Image.Image | Sequence[Image.Image],
    maps: Sequence[Sequence[npt.ArrayLike | None]],
    boxes: Box | Sequence[Box | None] | None,
    display: Display | Sequence[Display | Sequence[Display]],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    shares: float | Sequence[Sequence[float]] = 1.0,
    notes: Sequence[Sequence[str]] | None = None,
) -> list[Row]:
    """Return one record a row, with whatever was given once for all repeated.

    Args:
        pictures: one for all rows, or one for each row.
        maps: rows of raw maps, or None where there is none.
        boxes: one for all, or one a row.
        display: one for all, one a row, or for each row one a map.
        row_labels: one for each row.
        column_labels: one for each column.
        shares: of each map's positions that its colours span: one for all, or for each row one a map.
        notes: for each row one a map, or none at all.

    Raises:
        ValueError: their numbers do not agree, or a display is none of the three.
    """
    count, columns = len(maps), len(column_labels)
    each_picture = [pictures] * count if isinstance(pictures, Image.Image) else list(pictures)
    each_display = [display] * count if isinstance(display, str) else list(display)
    each_box: list[Box | None]
    if boxes is None or (len(boxes) == 4 and isinstance(boxes[0], Real)):
        each_box = [cast("Box | None", boxes)] * count
    else:
        each_box = list(cast("Sequence[Box | None]", boxes))
    if count == 0 or not columns:
        raise ValueError("maps: give at least one row and one column")
    given = {
        "pictures": len(each_picture),
        "boxes": len(each_box),
        "display": len(each_display),
        "row_labels": len(row_labels),
    }
    for name, length in given.items():
        if length != count:
            raise ValueError(f"{name}: {length} given for {count} rows of maps")
    rows = []
    for index, (row, drawn) in enumerate(zip(maps, each_display, strict=True)):
        displays = [drawn] * columns if isinstance(drawn, str) else list(drawn)
        if len(row) != columns:
            raise ValueError(f"maps[{index}]: {len(row)} maps for {columns} columns")
        if len(displays) != columns:
            raise ValueError(f"display[{index}]: {len(displays)} given for {columns} columns")
        spans = [shares] * columns if isinstance(shares, (int, float)) else shares[index]
        said = [""] * columns if notes is None else notes[index]
        given_row = zip(row, displays, spans, said, strict=True)
        cells = [Cell(map, check_display(one), span, note) for map, one, span, note in given_row]
        rows.append(Row(each_picture[index], cells, each_box[index]))
    return rows


def only_scale(rows: Sequence[Row]) -> Scale | None:
    """Return the scale that all maps share, or None where no map has anything to draw.

    Raises:
        ValueError: some are drawn in another way than others.
    """
    cells = [cell for row in rows for cell in row.cells]
    displays = _displays(cells)
    if len(displays) > 1:
        names = ", ".join(map(repr, sorted(displays)))
        raise ValueError(
            f"shared: maps with displays {names} have no scale in common; "
            "give 'row', with which those of a row that are drawn alike share one"
        )
    return _scale(cells, displays[0]) if displays else None


def common_scales(row: Row) -> dict[Display, Scale]:
    """Return the scale of each display that the maps of a row share, where there is anything to draw."""
    scales = {display: _scale(row.cells, display) for display in row.displays}
    return {display: scale for display, scale in scales.items() if scale is not None}


def about_rows(rows: Sequence[Row]) -> str:
    """Return in words what is shared where rows have maps of several displays; empty where none has."""
    mixed = [cell for row in rows if len(row.displays) > 1 for cell in row.cells]
    if not mixed:
        return ""
    kinds = ", ".join(_displays(mixed))
    return f"Maps of a row that are drawn alike ({kinds}) share one scale; its ends stand under each."


def _displays(cells: Iterable[Cell]) -> list[Display]:
    return list(dict.fromkeys(cell.display for cell in cells if cell.map is not None))


def _scale(cells: Sequence[Cell], display: Display) -> Scale | None:
    alike = [(cell.map, cell.share) for cell in cells if cell.map is not None and cell.display == display]
    maps = [map for map, _ in alike]
    limits = shared_limits(maps, display, [share for _, share in alike])
    if limits is None:
        return None
    beyond = max(Scale.of(map, display, limits).beyond for map in maps)
    return Scale(*limits, display, beyond=beyond)
