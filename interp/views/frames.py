"""Pictures of any shape in cells of one height, so that panels line up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image

from interp.views.overlay import Box
from interp.views.text import PAPER

# A panorama may not push its neighbours off the page, nor a strip leave no room for words.
_NARROWEST: Final = 0.5
_WIDEST: Final = 2.0


def cell_size(picture: Image.Image, height: int) -> tuple[int, int]:
    """(width, height) of the cell for a picture: its own shape, but from 1:2 to 2:1.

    Example:
        >>> cell_size(Image.new("RGB", (4000, 100)), 100)
        (200, 100)
    """
    aspect = picture.width / picture.height
    return round(height * min(max(aspect, _NARROWEST), _WIDEST)), height


def fit(picture: Image.Image, cell: tuple[int, int]) -> Image.Image:
    """The whole picture in RGB, as large as a cell of (width, height) holds it.

    Example:
        >>> fit(Image.new("L", (400, 100)), (200, 100)).size
        (200, 50)
    """
    zoom = min(cell[0] / picture.width, cell[1] / picture.height)
    size = (
        min(max(round(picture.width * zoom), 1), cell[0]),
        min(max(round(picture.height * zoom), 1), cell[1]),
    )
    # The gap costs nothing to see and saves most of the time with camera pictures.
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def scaled_box(box: Box | None, picture: tuple[int, int], fitted: tuple[int, int]) -> Box | None:
    """A box of a picture, in the pixels of its resized copy.

    Example:
        >>> scaled_box((10, 10, 20, 30), (100, 100), (50, 200))
        (5.0, 20.0, 10.0, 60.0)
    """
    if box is None:
        return None
    x, y = fitted[0] / picture[0], fitted[1] / picture[1]
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def scaled_boxes(boxes: Sequence[Box], picture: tuple[int, int], fitted: tuple[int, int]) -> list[Box]:
    """Several boxes of a picture, in the pixels of its resized copy."""
    return [placed for box in boxes if (placed := scaled_box(box, picture, fitted)) is not None]


def letterbox(
    picture: Image.Image, cell: tuple[int, int], background: tuple[int, int, int] = PAPER
) -> Image.Image:
    """A picture in the middle of a cell that holds it.

    Example:
        >>> letterbox(Image.new("RGB", (10, 10)), (30, 10)).getpixel((0, 0))
        (255, 255, 255)
    """
    if picture.size == cell:
        return picture
    canvas = Image.new("RGB", cell, background)
    canvas.paste(picture, ((cell[0] - picture.width) // 2, (cell[1] - picture.height) // 2))
    return canvas
