"""Concepts as figures: each in a colour of its own, with its examples and where it is in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Numbers, Picture, ViewError, as_numbers, same_length
from interp.views.class_colours import Colours, class_colours
from interp.views.concept_over import checked_heat, concept_over, concepts_over, reduced
from interp.views.overlay import Box, covered
from interp.views.pictures import picture_grid
from interp.views.scale import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FRAME: Final = 0.035
_BAR: Final = 200


def concept_maps_figure(
    pictures: Sequence[Image.Image],
    heat: npt.ArrayLike,
    *,
    full: npt.ArrayLike | None = None,
    boxes: Sequence[Box | None] | None = None,
    names: Sequence[str] = (),
    heading: str = "",
    note: str = "",
) -> Figure:
    """A row for each picture: itself, all concepts together, and each concept in its colour.

    Args:
        pictures: the originals.
        heat: how much of each concept there is, from 0, (pictures, concepts, height, width).
        full: how much of each concept has the full colour; None is the most there is in the pictures.
        boxes: what the heat covers of each picture, in its pixels.
        names: of the concepts, or nothing.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, or pictures, boxes, names and heat do not agree.

    Example:
        >>> figure = concept_maps_figure([Image.new("RGB", (64, 64))], np.ones((1, 3, 7, 7)))
    """
    maps = np.asarray(heat, np.float32)
    if maps.ndim != 4:
        raise ViewError(f"heat: shape {maps.shape}; give (pictures, concepts, height, width)")
    same_length("heat", len(maps), len(pictures), "pictures")
    count = maps.shape[1]
    places = list(boxes) if boxes is not None else [None] * len(pictures)
    same_length("boxes", len(places), len(pictures), "pictures")
    if names:
        same_length("names", len(names), count, "concepts")
    colours = class_colours(count)
    # One scale for all pictures: a trace of a concept in one of them stays a trace.
    most = maps.max((0, 2, 3)) if full is None else as_numbers(full, "full")
    same_length("full", len(most), count, "concepts")
    rows = [
        [
            np.asarray(reduced(picture, None)[0]),
            concepts_over(picture, each, colours, full=most, box=box),
            *(concept_over(picture, each[i], colours[i], full=float(most[i]), box=box) for i in range(count)),
        ]
        for picture, each, box in zip(pictures, maps, places, strict=True)
    ]
    labels = [f"concept {i + 1}\n0 … {number(float(most[i]))}" for i in range(count)]
    if names:
        labels = [f"{label}\n{name}" for label, name in zip(labels, names, strict=True)]
    titles = [["picture", "all concepts", *labels], *([[""] * (count + 2)] * (len(rows) - 1))]
    return picture_grid(rows, titles=titles, heading=heading, note=note)


def concepts_figure(
    examples: Sequence[Sequence[Image.Image]],
    *,
    importance: npt.ArrayLike | None = None,
    falls: npt.ArrayLike | None = None,
    picture: Image.Image | None = None,
    heat: npt.ArrayLike | None = None,
    full: npt.ArrayLike | None = None,
    box: Box | None = None,
    heading: str = "",
    note: str = "",
) -> Figure:
    """A row for each concept: its importance, where it is in a picture, and its best examples.

    With a picture the last row has all concepts in it, and the picture itself.

    Args:
        examples: parts of pictures for each concept, best first.
        importance: of each concept, from 0, drawn as a bar on one scale.
        falls: by how much the score falls without each concept, written beside the importance.
        picture: one at hand; `heat` says where its concepts are.
        heat: how much of each concept there is in the picture, from 0, (concepts, height, width).
        full: how much of each has the full colour; None is the most there is in the picture.
        box: what the heat covers of the picture, in its pixels; only that is shown.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there are no examples, or the arguments do not agree.

    Example:
        >>> crop = Image.new("RGB", (32, 32), "orange")
        >>> figure = concepts_figure([[crop, crop], [crop]], importance=[0.7, 0.2])
    """
    count = len(examples)
    if not count:
        raise ViewError("examples: give at least one concept")
    if (picture is None) != (heat is None):
        raise ViewError("picture and heat: give both or neither")
    colours = class_colours(count)
    rows = [[_framed(crop, colours[i]) for crop in crops] for i, crops in enumerate(examples)]
    titles = [[""] * len(crops) for crops in examples]
    labels = [f"concept {i + 1}" for i in range(count)]
    if picture is not None and heat is not None:
        maps = checked_heat(heat)
        same_length("heat", len(maps), count, "concepts")
        most = maps.max((1, 2)) if full is None else as_numbers(full, "full")
        same_length("full", len(most), count, "concepts")
        # Of one shape with the examples; nothing else can have colour.
        seen = picture if box is None else picture.crop(covered(picture.size, box))
        for i in range(count):
            rows[i].insert(0, concept_over(seen, maps[i], colours[i], full=float(most[i])))
            titles[i].insert(0, f"0 … {number(float(maps[i].max()))}\nfull colour {number(float(most[i]))}")
        rows.append([concepts_over(seen, maps, colours, full=most), np.asarray(reduced(seen, None)[0])])
        titles.append(["", ""])
        labels.append("all concepts")
    cells: list[list[Picture | None]] = [list(row) for row in rows]
    if importance is not None:
        bars, said = _bars(importance, falls, colours)
        for row, words, bar, title in zip(cells, titles, [*bars, None], [*said, ""], strict=False):
            row.insert(0, bar)
            words.insert(0, title)
    return picture_grid(cells, titles=titles, row_labels=labels, heading=heading, note=note)


def _bars(
    importance: npt.ArrayLike, falls: npt.ArrayLike | None, colours: Colours
) -> tuple[list[Picture], list[str]]:
    """A bar for each concept, and what is written above it."""
    values = as_numbers(importance, "importance")
    same_length("importance", len(values), len(colours), "concepts")
    highest = float(np.nanmax(values))
    bars = [_bar(float(value), highest, colour) for value, colour in zip(values, colours, strict=True)]
    said = [f"importance {number(round(float(value), 3))}" for value in values]
    if falls is not None:
        changes: Numbers = as_numbers(falls, "falls")
        same_length("falls", len(changes), len(colours), "concepts")
        said = [f"{words}\nscore falls by {change:.2g}" for words, change in zip(said, changes, strict=True)]
    return bars, [words.replace("by -", "by \N{MINUS SIGN}") for words in said]


def _framed(crop: Image.Image, colour: Colours) -> Picture:
    """A crop with a frame in its concept's colour."""
    pixels = np.asarray(crop.convert("RGB"))
    edge = max(2, round(_FRAME * max(pixels.shape[:2])))
    framed: Picture = np.empty((pixels.shape[0] + 2 * edge, pixels.shape[1] + 2 * edge, 3), np.uint8)
    framed[:] = colour
    framed[edge:-edge, edge:-edge] = pixels
    return framed


def _bar(value: float, highest: float, colour: Colours) -> Picture:
    """An upright bar, the longest one as high as the row."""
    cell: Picture = np.full((_BAR, _BAR // 5, 3), 240, np.uint8)
    part = value / highest if highest > 0 and np.isfinite(value) else 0.0
    if part > 0:
        cell[_BAR - max(1, round(part * _BAR)) :] = colour
    return cell
