"""Concepts as figures: each in a colour of its own, with its examples and where it is in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Picture, ViewError, as_numbers, same_length
from interp.views.class_colours import Colours, class_colours
from interp.views.overlay import Box, covered
from interp.views.pictures import picture_grid
from interp.views.scale import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float32]

_OPACITY: Final = 0.85
_FADED: Final = 0.7
_SHADE: Final = 0.35
_LONGEST: Final = 480
_FRAME: Final = 0.035
_BAR: Final = 200


def concept_over(
    picture: Image.Image, heat: npt.ArrayLike, colour: npt.ArrayLike, *, box: Box | None = None
) -> Picture:
    """One concept over its picture: light grey where there is none of it, its colour where there is most.

    `(1 - s) * grey + s * colour` with `s = 0.85 h / max h`; the colour keeps some of the picture's shades.

    Args:
        picture: the original.
        heat: how much of the concept there is, from 0, (height, width).
        colour: RGB bytes.
        box: what the heat covers of the picture, in its pixels; None is all of it.

    Returns:
        uint8 (height, width, 3), at most 480 pixels long.

    Raises:
        ViewError: the heat has not two axes, or values that are not finite.

    Example:
        >>> red = concept_over(Image.new("RGB", (8, 8), "white"), [[0.0, 1.0]], (255, 0, 0))
        >>> red[0, 0].tolist(), red[0, 7].tolist()
        ([255, 255, 255], [255, 38, 38])
    """
    return concepts_over(picture, np.asarray(heat)[None], np.asarray(colour)[None], box=box)


def concepts_over(
    picture: Image.Image, heat: npt.ArrayLike, colours: npt.ArrayLike, *, box: Box | None = None
) -> Picture:
    """Several concepts over their picture: at each pixel the colour of the strongest, by its own maximum.

    Args:
        picture: the original.
        heat: how much of each concept there is, from 0, (concepts, height, width).
        colours: RGB bytes, (concepts, 3).
        box: what the heat covers of the picture, in its pixels; None is all of it.

    Returns:
        uint8 (height, width, 3), at most 480 pixels long; grey where there is no concept.

    Raises:
        ViewError: the heat has not three axes, or values that are not finite, or not a colour for each.

    Example:
        >>> concepts_over(Image.new("RGB", (9, 9)), np.eye(2)[:, None], [(255, 0, 0), (0, 0, 255)]).shape
        (9, 9, 3)
    """
    maps = _checked(heat)
    same_length("colours", len(np.asarray(colours)), len(maps), "concepts")
    small, placed = _reduced(picture, box)
    highest = maps.max((1, 2), keepdims=True)
    levels = np.stack([_spread(one, small.size, placed) for one in maps / np.where(highest > 0, highest, 1)])
    share = _OPACITY * levels.max(0)[..., None]
    grey = np.asarray(small.convert("L").convert("RGB"), np.float32)
    x0, y0, x1, y1 = covered(small.size, placed)
    seen = np.full(grey.shape[:2], 0.5, np.float32)
    seen[y0:y1, x0:x1] = 1
    # Lighter than the photograph itself, so that dark places take colour too; faded where nothing was seen.
    paper = 255 - seen[..., None] * _FADED * (255 - grey)
    colour = np.asarray(colours, np.float32)[levels.argmax(0)]
    shaded = colour * (1 - _SHADE * (1 - grey / 255))
    blend: Picture = np.rint((1 - share) * paper + share * shaded).astype(np.uint8)
    return blend


def concept_maps_figure(
    pictures: Sequence[Image.Image],
    heat: npt.ArrayLike,
    *,
    boxes: Sequence[Box | None] | None = None,
    names: Sequence[str] = (),
    heading: str = "",
    note: str = "",
) -> Figure:
    """A row for each picture: itself, all concepts together, and each concept in its colour.

    Args:
        pictures: the originals.
        heat: how much of each concept there is, from 0, (pictures, concepts, height, width).
        boxes: what the heat covers of each picture, in its pixels.
        names: of the concepts, or nothing.
        heading: one line above.
        note: up to two lines under the heading.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, or pictures, boxes, names and heat do not agree.

    Example:
        >>> heat = np.random.default_rng(0).random((1, 3, 7, 7))
        >>> figure = concept_maps_figure([Image.new("RGB", (64, 64))], heat, heading="Three concepts")
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
    rows = [
        [
            np.asarray(_reduced(picture, None)[0]),
            concepts_over(picture, each, colours, box=box),
            *(concept_over(picture, one, colour, box=box) for one, colour in zip(each, colours, strict=True)),
        ]
        for picture, each, box in zip(pictures, maps, places, strict=True)
    ]
    labels = [f"concept {i + 1}" for i in range(count)]
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
    box: Box | None = None,
    heading: str = "",
    note: str = "",
) -> Figure:
    """A row for each concept: its importance, where it is in a picture, and its best examples.

    Args:
        examples: parts of pictures for each concept, best first.
        importance: of each concept, from 0, drawn as a bar on one scale.
        falls: by how much the score falls without each concept, written beside the importance.
        picture: one at hand; `heat` says where its concepts are.
        heat: how much of each concept there is in the picture, from 0, (concepts, height, width).
        box: what the heat covers of the picture, in its pixels.
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
    maps = None if heat is None else _checked(heat)
    if maps is not None:
        same_length("heat", len(maps), count, "concepts")
    if picture is not None and box is not None:
        # Of one shape with the examples, and nothing else can have colour.
        picture = picture.crop(covered(picture.size, box))
    bars = None if importance is None else as_numbers(importance, "importance")
    if bars is not None:
        same_length("importance", len(bars), count, "concepts")
    wide = max(map(len, examples))
    rows: list[list[Picture | None]] = []
    titles: list[list[str]] = []
    for index, crops in enumerate(examples):
        row: list[Picture | None] = []
        words: list[str] = []
        if bars is not None:
            row.append(_bar(float(bars[index]), float(np.nanmax(bars)), colours[index]))
            words.append(_importance(float(bars[index]), None if falls is None else np.asarray(falls)[index]))
        if picture is not None and maps is not None:
            row.append(concept_over(picture, maps[index], colours[index]))
            words.append("")
        row += [_framed(crop, colours[index]) for crop in crops] + [None] * (wide - len(crops))
        rows.append(row)
        titles.append(words + [""] * (len(row) - len(words)))
    return picture_grid(
        rows,
        titles=titles,
        row_labels=[f"concept {i + 1}" for i in range(count)],
        heading=heading,
        note=note,
    )


def _importance(value: float, fall: float | None) -> str:
    said = f"importance {number(round(value, 3))}"
    return said if fall is None else f"{said}\nscore falls by {number(float(f'{fall:.2g}'))}"


def _checked(heat: npt.ArrayLike) -> Floats:
    maps = np.asarray(heat, np.float32)
    if maps.ndim != 3 or not maps.size or not np.isfinite(maps).all():
        raise ViewError(f"heat: shape {maps.shape}; give finite numbers (concepts, height, width)")
    return maps.clip(min=0)


def _reduced(picture: Image.Image, box: Box | None) -> tuple[Image.Image, Box | None]:
    """A copy of a picture that is no longer than a figure shows, and its box."""
    zoom = min(1.0, _LONGEST / max(picture.size))
    size = max(round(picture.width * zoom), 1), max(round(picture.height * zoom), 1)
    small = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    x, y = size[0] / picture.width, size[1] / picture.height
    return small, None if box is None else (box[0] * x, box[1] * y, box[2] * x, box[3] * y)


def _spread(map: Floats, size: tuple[int, int], box: Box | None) -> Floats:
    """A map at the pixels of its picture, 0 where it does not reach."""
    result = np.zeros((size[1], size[0]), np.float32)
    left, top, right, bottom = box or (0.0, 0.0, float(size[0]), float(size[1]))
    x0, y0, x1, y1 = covered(size, box)
    if x1 <= x0 or y1 <= y0:
        return result
    height, width = map.shape
    part = (
        max((x0 - left) / (right - left) * width, 0.0),
        max((y0 - top) / (bottom - top) * height, 0.0),
        min((x1 - left) / (right - left) * width, float(width)),
        min((y1 - top) / (bottom - top) * height, float(height)),
    )
    enlarged = Image.fromarray(map).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=part)
    result[y0:y1, x0:x1] = np.asarray(enlarged)
    return result


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
