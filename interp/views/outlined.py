"""A region on its picture: a line around it, and greyer outside."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.views.checks import Picture, ViewError, as_picture

# Okabe and Ito's orange between two dark lines shows on any colours.
_LINE: Final = (230, 159, 0)
_DARK: Final = (0, 0, 0)
# Neither dark nor bright, so that nothing outside looks like either.
_GREY: Final = 128
_LEAST: Final = 240


def outlined(picture: Image.Image | npt.ArrayLike, region: npt.ArrayLike, *, faded: float = 0.5) -> Picture:
    """The picture with an orange line around a region, and greyer outside.

    Small pictures are enlarged by a whole number, pixel by pixel, so that the line is thin.

    Args:
        picture: RGB, or uint8 (height, width, 3).
        region: true inside, (height, width) of the picture.
        faded: share of grey outside, 0 to 1; of a region without a pixel, everywhere.

    Returns:
        uint8 (height, width, 3), the shorter side at least 240.

    Raises:
        ViewError: the sizes differ, or an argument is out of its range.

    Example:
        >>> outlined(Image.new("RGB", (120, 120), "white"), np.eye(120)).shape
        (240, 240, 3)
    """
    if not 0.0 <= faded <= 1.0:
        raise ViewError(f"faded {faded!r}: give a number from 0 to 1")
    pixels = np.asarray(
        picture.convert("RGB") if isinstance(picture, Image.Image) else as_picture(picture, "picture")
    )
    inside = np.asarray(region).astype(bool)
    if inside.shape != pixels.shape[:2]:
        raise ViewError(f"region: shape {inside.shape} over a picture of {pixels.shape[:2]}")
    zoom = -(-_LEAST // min(inside.shape))
    pixels, inside = (array.repeat(zoom, 0).repeat(zoom, 1) for array in (pixels, inside))
    drawn = np.where(inside[..., None], pixels, (1 - faded) * pixels + faded * _GREY)
    thick = max(2, round(min(inside.shape) / 100))
    line = _border(inside, thick)
    drawn[grown(line, 1) & ~line] = _DARK
    drawn[line] = _LINE
    result: Picture = np.rint(drawn).astype(np.uint8)
    return result


def _border(inside: npt.NDArray[np.bool_], thick: int) -> npt.NDArray[np.bool_]:
    """The region's outermost pixels; none along the picture's own border alone."""
    return inside & grown(~inside, thick)


def grown(region: npt.NDArray[np.bool_], steps: int) -> npt.NDArray[np.bool_]:
    """A region and what is so many pixels from it, across, up and down.

    Example:
        >>> grown(np.array([[True, False, False]]), 1).tolist()
        [[True, True, False]]
    """
    for _ in range(steps):
        padded = np.pad(region, 1)
        region = (
            padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        )
    return region
