"""Picture, map and overlay of one size each: what the drawn panel and the figure both show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt
from PIL import Image

from interp.views.boxed import boxed, traced
from interp.views.frames import fit, letterbox, scaled_box, scaled_boxes
from interp.views.overlay import Box, Interpolation, framed_heat, overlay
from interp.views.scale import Scale


def three_views(
    picture: Image.Image,
    map: npt.ArrayLike,
    cell: tuple[int, int],
    scale: Scale,
    *,
    box: Box | None,
    opacity: float,
    colormap: str | None,
    threshold: float | None,
    interpolation: Interpolation,
    outlines: Sequence[Box],
    regions: Sequence[npt.ArrayLike],
) -> list[Image.Image]:
    """Return picture, map and overlay, each in a cell of `(width, height)`; what was asked is outlined."""
    small = fit(picture, cell)
    placed = scaled_box(box, picture.size, small.size)
    coloured = framed_heat(map, scale, small.size, box=placed, colormap=colormap, interpolation=interpolation)
    drawn = overlay(
        small,
        map,
        box=placed,
        scale=scale,
        opacity=opacity,
        colormap=colormap,
        threshold=threshold,
        interpolation=interpolation,
        words=False,
    )
    lines = scaled_boxes(outlines, picture.size, small.size)
    lined = [boxed(traced(view, regions, placed), lines) for view in (small, drawn)]
    return [letterbox(view, cell) for view in (lined[0], coloured, lined[1])]
