"""Arrays in, pictures out: overlays, panels, sheets and figures. No model, no file.

Nothing here imports matplotlib before a colour or a figure is asked for.
"""

from interp.views.bars import bar_figure
from interp.views.channel import Bars, Shown, channel_figure
from interp.views.channels import channels_figure
from interp.views.checks import Picture, ViewError
from interp.views.class_colours import class_colours
from interp.views.colormaps import COLORMAPS, Colormap, default_for, offered_for, table
from interp.views.concept_over import concept_over, concepts_over
from interp.views.concepts import concept_maps_figure, concepts_figure
from interp.views.confusion import confusion_figure
from interp.views.contact_sheet import Tile, contact_sheet
from interp.views.curves import training_curves
from interp.views.drawing import Drawing
from interp.views.evaluation import MetricColumn, MetricDot, evaluation_figure
from interp.views.examples import examples_figure
from interp.views.figures import three_panel_figure
from interp.views.filters import filters_figure
from interp.views.gram import gram_figure
from interp.views.grid import Shared, grid_figure
from interp.views.kernel import kernel_figure
from interp.views.learning_rate import learning_rate_figure
from interp.views.masks import mask_over, mask_picture
from interp.views.outlined import outlined
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
from interp.views.pictures import Mark, picture_grid
from interp.views.receptive_field import lit, receptive_field_figure
from interp.views.runs import runs_figure
from interp.views.scale import (
    NO_POSITIVE_EVIDENCE,
    Display,
    Scale,
    normalise,
    number,
    shared_limits,
)
from interp.views.segmentation import segmentation_figure
from interp.views.strip import strip_figure
from interp.views.styles import nearest_figure, perceptual_terms_figure, style_distance_figure
from interp.views.top_losses import TopLoss, top_losses_figure
from interp.views.trials import TrialLine, TrialPanel, trials_figure
from interp.views.unet import UBox, ULevel, u_figure
from interp.views.visualisation import visualisation_figure

__all__ = [
    "COLORMAPS",
    "NO_POSITIVE_EVIDENCE",
    "Bars",
    "Box",
    "Colormap",
    "Display",
    "Drawing",
    "Interpolation",
    "Mark",
    "MetricColumn",
    "MetricDot",
    "Picture",
    "Scale",
    "Shared",
    "Shown",
    "Tile",
    "TopLoss",
    "TrialLine",
    "TrialPanel",
    "UBox",
    "ULevel",
    "ViewError",
    "bar",
    "bar_figure",
    "channel_figure",
    "channels_figure",
    "class_colours",
    "concept_maps_figure",
    "concept_over",
    "concepts_figure",
    "concepts_over",
    "confusion_figure",
    "contact_sheet",
    "covered",
    "default_for",
    "evaluation_figure",
    "examples_figure",
    "filters_figure",
    "framed_heat",
    "gram_figure",
    "grid_figure",
    "heat",
    "kernel_figure",
    "learning_rate_figure",
    "lit",
    "mask_over",
    "mask_picture",
    "nearest_figure",
    "normalise",
    "number",
    "offered_for",
    "outlined",
    "overlay",
    "perceptual_terms_figure",
    "picture_grid",
    "receptive_field_figure",
    "runs_figure",
    "segmentation_figure",
    "shared_limits",
    "strip_figure",
    "style_distance_figure",
    "table",
    "three_panel",
    "three_panel_figure",
    "top_losses_figure",
    "training_curves",
    "trials_figure",
    "u_figure",
    "visualisation_figure",
]
