"""What single layers and channels stand for: which layers are worth asking, their features, Gram matrices."""

from interp.features.blocks import is_channels_last, last_activations
from interp.features.extractor import Extractor
from interp.features.gram import gram

__all__ = ["Extractor", "gram", "is_channels_last", "last_activations"]
