"""How a map is drawn: what people choose, in one checked piece."""

from __future__ import annotations

from dataclasses import dataclass

from interp.views.checks import check_part
from interp.views.colormaps import check_colormap
from interp.views.overlay import Interpolation, check_interpolation


@dataclass(frozen=True)
class Drawing:
    """The choices of whoever looks at a map; its scale is the map's own.

    Wrong ones are refused here, so that a program can complain before it explains anything. The
    attributes have the names that `overlay`, `three_panel`, `three_panel_figure` and `grid_figure` take.

    Attributes:
        opacity: share of the heat in the overlay, 0 to 1.
        colormap: a key of `COLORMAPS`; the display's default where None.
        threshold: part of the maximum, 0 to 1, under which the overlay has no heat.
        interpolation: how values between the map's positions are found.

    Raises:
        ViewError: a choice is out of its range, or not on offer.

    Example:
        >>> Drawing(opacity=0.4, colormap="viridis").interpolation
        'bilinear'
    """

    opacity: float = 0.6
    colormap: str | None = None
    threshold: float | None = None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        check_part("opacity", self.opacity)
        if self.colormap is not None:
            check_colormap(self.colormap)
        if self.threshold is not None:
            check_part("threshold", self.threshold)
        check_interpolation(self.interpolation)
