"""What single layers and channels stand for: which layers are worth asking, their features, Gram matrices."""

from interp.features.blocks import is_channels_last, last_activations
from interp.features.extractor import Extractor
from interp.features.gram import Neighbour, clustered_order, cosine, dead_channels, gram, neighbours
from interp.features.nearest_style import NearestStyles, StyleMatch, nearest_by_style
from interp.features.perceptual_terms import PerceptualTerms, perceptual_terms
from interp.features.style import Style, relative_distance, style
from interp.features.style_distances import (
    StyleDistances,
    layer_agreement,
    layer_distances,
    spectrum,
    style_change,
    style_distances,
)

__all__ = [
    "Extractor",
    "NearestStyles",
    "Neighbour",
    "PerceptualTerms",
    "Style",
    "StyleDistances",
    "StyleMatch",
    "clustered_order",
    "cosine",
    "dead_channels",
    "gram",
    "is_channels_last",
    "last_activations",
    "layer_agreement",
    "layer_distances",
    "nearest_by_style",
    "neighbours",
    "perceptual_terms",
    "relative_distance",
    "spectrum",
    "style",
    "style_change",
    "style_distances",
]
