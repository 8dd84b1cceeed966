"""Pictures: open anything safely as RGB, prepare it for a network, and go back."""

from interp.images.errors import ImageError
from interp.images.geometry import Box
from interp.images.listing import pictures_in
from interp.images.opening import Source, open_image
from interp.images.preprocess import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Fit,
    Interpolation,
    Preprocess,
    PreprocessError,
)
from interp.images.reading import LIMITS, Limits
from interp.images.suffixes import SUFFIXES

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "LIMITS",
    "SUFFIXES",
    "Box",
    "Fit",
    "ImageError",
    "Interpolation",
    "Limits",
    "Preprocess",
    "PreprocessError",
    "Source",
    "open_image",
    "pictures_in",
]
