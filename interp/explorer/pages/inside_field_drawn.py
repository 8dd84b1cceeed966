"""What a position sees, drawn into the picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from interp.explorer.drawing import LONGEST
from interp.explorer.parts import Picked
from interp.features import ReceptiveField
from interp.images import Box
from interp.views import lit

_ORANGE, _BLACK, _WHITE = (230, 159, 0), (0, 0, 0), (255, 255, 255)


def small(picture: Image.Image, longest: int = LONGEST) -> Image.Image:
    """Return a picture of at most `longest` pixels a side."""
    part = min(longest / max(picture.size), 1.0)
    return picture.resize(
        (max(round(picture.width * part), 1), max(round(picture.height * part), 1)), reducing_gap=3.0
    )


def drawn(picture: Image.Image, field: ReceptiveField) -> Image.Image:
    """Return the picture with light on what counts; the dashed line holds 90 % of the weight."""
    seen = field.preprocess.box(picture.size)
    light = lit(picture, field.weights, (seen.left, seen.top, seen.right, seen.bottom))
    dashed(light, field.on(picture.size, field.core()))
    return light


def dashed(picture: Image.Image, box: Box, dash: int = 8) -> None:
    """Draw a dashed line into a picture, seen on dark and on bright."""
    pen = ImageDraw.Draw(picture)
    left, top = max(box.left, 1.0), max(box.top, 1.0)
    right, bottom = min(box.right, picture.width - 2.0), min(box.bottom, picture.height - 2.0)
    sides = [
        ((left, top), (right, top)),
        ((right, top), (right, bottom)),
        ((right, bottom), (left, bottom)),
        ((left, bottom), (left, top)),
    ]
    for (x0, y0), (x1, y1) in sides:
        pen.line((x0, y0, x1, y1), fill=_BLACK, width=3)
        length = max(abs(x1 - x0), abs(y1 - y0))
        for start in np.arange(0.0, length, 2 * dash):
            end = min(start + dash, length)
            a, b = start / length, end / length
            pen.line(
                (x0 + a * (x1 - x0), y0 + a * (y1 - y0), x0 + b * (x1 - x0), y0 + b * (y1 - y0)),
                fill=_WHITE,
                width=3,
            )


def inside(box: Box, picture: Image.Image) -> Picked:
    """Return a box of the picture's pixels as fractions, cut off at its border."""
    width, height = picture.size
    ends = (box.left / width, box.top / height, box.right / width, box.bottom / height)
    return Picked(*(min(max(end, 0.0), 1.0) for end in ends))


def reached(picture: Image.Image, field: ReceptiveField) -> Image.Image:
    """Return a small picture with light on what counts, and a line around all that is seen."""
    seen = field.preprocess.box(picture.size)
    light = lit(picture, field.weights, (seen.left, seen.top, seen.right, seen.bottom))
    box = inside(field.on(picture.size), picture)
    width, height = picture.size
    ends = (box.left * width, box.top * height, box.right * width - 1, box.bottom * height - 1)
    left, top, right, bottom = map(round, ends)
    corners = (left, top, max(right, left + 2), max(bottom, top + 2))
    ImageDraw.Draw(light).rectangle(corners, outline=_ORANGE, width=4)
    return light
