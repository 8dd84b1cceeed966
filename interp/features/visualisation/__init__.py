"""Pictures that excite what a network has learnt: objectives, parametrisations, transforms, the ascent."""

from interp.features.visualisation.ascent import Ascent, ascend
from interp.features.visualisation.colour import colour_basis
from interp.features.visualisation.maco import maco, magnitude_of, typical_magnitude
from interp.features.visualisation.objectives import (
    Objective,
    channel,
    channels,
    class_logit,
    direction,
    diversity,
    neuron,
)
from interp.features.visualisation.optimise import Visualisation, visualise
from interp.features.visualisation.parametrisation import Parametrisation, fourier, pixels
from interp.features.visualisation.reading import OUTPUT
from interp.features.visualisation.seeing import seer
from interp.features.visualisation.transforms import Move

__all__ = [
    "OUTPUT",
    "Ascent",
    "Move",
    "Objective",
    "Parametrisation",
    "Visualisation",
    "ascend",
    "channel",
    "channels",
    "class_logit",
    "colour_basis",
    "direction",
    "diversity",
    "fourier",
    "maco",
    "magnitude_of",
    "neuron",
    "pixels",
    "seer",
    "typical_magnitude",
    "visualise",
]
