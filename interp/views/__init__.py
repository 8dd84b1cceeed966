"""Arrays in, pictures out: overlays, panels, sheets and figures. No model, no file.

Nothing here imports matplotlib before a colour or a figure is asked for.
"""

from interp.views.colormaps import COLORMAPS, Colormap, default_for, offered_for, table
from interp.views.contact_sheet import Tile, contact_sheet
from interp.views.figures import three_panel_figure
from interp.views.grid import grid_figure
from interp.views.overlay import (
    Box,
    Interpolation,
    bar,
    covered,
    framed_heat,
    heat,
    overlay,
)
from interp.views.panel import three_panel
from interp.views.scale import (
    NO_POSITIVE_EVIDENCE,
    Display,
    Scale,
    normalise,
    number,
    shared_limits,
)

__all__ = [
    "COLORMAPS",
    "NO_POSITIVE_EVIDENCE",
    "Box",
    "Colormap",
    "Display",
    "Interpolation",
    "Scale",
    "Tile",
    "bar",
    "contact_sheet",
    "covered",
    "default_for",
    "framed_heat",
    "grid_figure",
    "heat",
    "normalise",
    "number",
    "offered_for",
    "overlay",
    "shared_limits",
    "table",
    "three_panel",
    "three_panel_figure",
]
