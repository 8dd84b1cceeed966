"""A grid of pictures under maps: before and after, value under the pointer, linked zoom, places to click."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from interp.explorer.words import say

Mode = Literal["overlay", "split"]
Pick = Literal["none", "point", "box"]
Fractions = tuple[float, float, float, float]
EVERYTHING: Fractions = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Cell:
    """One picture of the grid; all layers are `data:` addresses of one size.

    Attributes:
        under: what lies below, as the picture.
        alt: what it shows, in a sentence.
        over: what is drawn on it at the page's opacity, or None.
        title: above it.
        note: beside the title, in smaller letters.
        values: what the pointer reads, (rows, columns), or None.
        box: part of the picture that the values cover: left, top, right, bottom in 0 … 1.
        scale: a picture of the colours, from low to high, or None.
        ends: what the first and the last colour stand for, or a verdict in words.
        words: in the middle of the picture, as why there is no map.
        lines: drawn on top whatever the opacity, as the outline of a region, or None.
    """

    under: str
    alt: str
    over: str | None = None
    title: str = ""
    note: str = ""
    values: npt.NDArray[np.float32] | None = None
    box: Fractions = EVERYTHING
    scale: str | None = None
    ends: tuple[str, ...] = ()
    words: str = ""
    lines: str | None = None


@dataclass(frozen=True)
class Picked:
    """A place of the picture, in fractions of its width and height; a point has no size."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def is_point(self) -> bool:
        """Whether it was clicked and not dragged."""
        return (self.left, self.top) == (self.right, self.bottom)

    @property
    def text(self) -> str:
        """As a link carries it: "0.25,0.5", or four numbers for a box."""
        ends = (self.left, self.top) if self.is_point else (self.left, self.top, self.right, self.bottom)
        return ",".join(f"{end:.4f}" for end in ends)

    @staticmethod
    def read(text: str | None) -> Picked | None:
        """Make it from a link's text; None where that says no place."""
        try:
            ends = [float(part) for part in (text or "").split(",")]
        except ValueError:
            return None
        if len(ends) == 2:
            ends *= 2
        inside = all(0 <= end <= 1 for end in ends)
        if len(ends) != 4 or not inside or ends[0] > ends[2] or ends[1] > ends[3]:
            return None
        return Picked(*ends)


def viewer(
    key: str,
    rows: Sequence[Sequence[Cell | None]],
    *,
    row_titles: Sequence[str] = (),
    mode: Mode = "overlay",
    pick: Pick = "none",
    marked: Picked | None = None,
    on_pick: Callable[[Picked], None] | None = None,
    widest: int = 0,
) -> None:
    """Draw a grid of cells; zoom, pointer and slider move in all of them together.

    Args:
        key: of this element.
        rows: the cells; None leaves a place empty.
        row_titles: before the rows.
        mode: `overlay` draws the map on the picture, `split` divides the two by a slider.
        pick: whether people may click a point, or also drag a box.
        marked: the place that is marked.
        on_pick: called with the place before the page runs again.
        widest: of a cell, in pixels; 0 as wide as there is room.
    """
    images: dict[str, int] = {}

    def number(address: str | None) -> int | None:
        return None if address is None else images.setdefault(address, len(images))

    def cell(each: Cell) -> dict[str, object]:
        return {
            "under": number(each.under),
            "over": number(each.over),
            "lines": number(each.lines),
            "scale": number(each.scale),
            "alt": each.alt,
            "title": each.title,
            "note": each.note,
            "ends": list(each.ends),
            "words": each.words,
            "box": list(each.box),
            "shape": None if each.values is None else list(each.values.shape),
            "values": None if each.values is None else _packed(each.values),
        }

    def picked() -> None:
        place = Picked.read(st.session_state[key].place)
        if place is not None and on_pick is not None:
            on_pick(place)

    cells = [[None if each is None else cell(each) for each in row] for row in rows]
    _component()(
        key=key,
        data={
            "rows": cells,
            "rowTitles": list(row_titles),
            "images": list(images),
            "mode": mode,
            "pick": pick,
            "widest": widest,
            "marked": None if marked is None else [marked.left, marked.top, marked.right, marked.bottom],
            "words": {
                "value": say("{value} in cell {row}, {column} of {shape}"),
                "outside": say("outside what the network saw"),
                "slider": say("Picture to the left, map to the right"),
                "nearer": say("Zoom in"),
                "farther": say("Zoom out"),
                "whole": say("Whole picture"),
                "keys": say("Arrow keys move the pointer, plus and minus zoom, Enter picks."),
            },
        },
        on_place_change=picked,
    )


def _packed(values: npt.NDArray[np.float32]) -> str:
    """Return values as text: a grid of many maps has hundreds of thousands, too many to write as numbers."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _component() -> Callable[..., object]:
    here = files("interp.explorer.parts")
    script, style = ((here / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    return st.components.v2.component("interp.viewer", js=script, css=style)
