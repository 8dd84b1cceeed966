"""What single layers and channels stand for: which layers are worth asking, their features, Gram matrices."""

from interp.features.activations import (
    Activation,
    Contributions,
    activation_of,
    activations_of,
    class_activation_of,
)
from interp.features.averages import ClassAverage, Strip, class_averages, strip_of
from interp.features.blocks import is_channels_last, last_activations
from interp.features.channel import class_effects, mean_gram
from interp.features.channel_average import average_map
from interp.features.concepts import concepts_of, craft, deep_feature_factorisation
from interp.features.dashboard import ChannelReport, channel_report
from interp.features.dissection import Dissection, dissect
from interp.features.errors import FeatureError
from interp.features.example_set import Channel, Example, Examples
from interp.features.examples import open_examples, top_examples
from interp.features.extractor import Extractor
from interp.features.filters import Filters, KernelSpectrum, first_filters, kernel_spectrum
from interp.features.generator_dissection import dissect_generator
from interp.features.generator_units import GeneratorDissection
from interp.features.gram import Neighbour, clustered_order, cosine, dead_channels, gram, neighbours
from interp.features.inversion import Inversion, invert
from interp.features.kernels import KERNELS, Filtered, apply_kernel
from interp.features.levels import Level, Levels, levels_of
from interp.features.nearest_style import NearestStyles, StyleMatch, nearest_by_style
from interp.features.origin import Origin, origin_of
from interp.features.paths import Paths
from interp.features.perceptual_terms import PerceptualTerms, perceptual_terms
from interp.features.picture_concepts import segmented_by, simple_concepts
from interp.features.receptive_field import ReceptiveField, ReceptiveFields, receptive_field, receptive_fields
from interp.features.skips import Ablation, Skip, Skips, skips_of
from interp.features.statistics import LayerStatistics, Moments, layer_statistics
from interp.features.style import Style, relative_distance, style
from interp.features.style_distances import (
    StyleDistances,
    layer_agreement,
    layer_distances,
    spectrum,
    style_change,
    style_distances,
)
from interp.features.unet import UNet, unet_of
from interp.features.unit_changes import UnitChange, ablate_units, insert_units
from interp.features.unit_effect import UnitEffect, unit_effect
from interp.features.upsampling import Upsampling, upsamplings_of
from interp.features.visualisation import Visualisation, visualise
from interp.sparseness import diffusion_index, gini

__all__ = [
    "KERNELS",
    "Ablation",
    "Activation",
    "Channel",
    "ChannelReport",
    "ClassAverage",
    "Contributions",
    "Dissection",
    "Example",
    "Examples",
    "Extractor",
    "FeatureError",
    "Filtered",
    "Filters",
    "GeneratorDissection",
    "Inversion",
    "KernelSpectrum",
    "LayerStatistics",
    "Level",
    "Levels",
    "Moments",
    "NearestStyles",
    "Neighbour",
    "Origin",
    "Paths",
    "PerceptualTerms",
    "ReceptiveField",
    "ReceptiveFields",
    "Skip",
    "Skips",
    "Strip",
    "Style",
    "StyleDistances",
    "StyleMatch",
    "UNet",
    "UnitChange",
    "UnitEffect",
    "Upsampling",
    "Visualisation",
    "ablate_units",
    "activation_of",
    "activations_of",
    "apply_kernel",
    "average_map",
    "channel_report",
    "class_activation_of",
    "class_averages",
    "class_effects",
    "clustered_order",
    "concepts_of",
    "cosine",
    "craft",
    "dead_channels",
    "deep_feature_factorisation",
    "diffusion_index",
    "dissect",
    "dissect_generator",
    "first_filters",
    "gini",
    "gram",
    "insert_units",
    "invert",
    "is_channels_last",
    "kernel_spectrum",
    "last_activations",
    "layer_agreement",
    "layer_distances",
    "layer_statistics",
    "levels_of",
    "mean_gram",
    "nearest_by_style",
    "neighbours",
    "open_examples",
    "origin_of",
    "perceptual_terms",
    "receptive_field",
    "receptive_fields",
    "relative_distance",
    "segmented_by",
    "simple_concepts",
    "skips_of",
    "spectrum",
    "strip_of",
    "style",
    "style_change",
    "style_distances",
    "top_examples",
    "unet_of",
    "unit_effect",
    "upsamplings_of",
    "visualise",
]
