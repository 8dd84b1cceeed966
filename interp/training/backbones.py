"""The trained body that a recipe's networks begin with."""

from __future__ import annotations

from copy import deepcopy

from torch import nn

import interp
from interp.models import ImageModel
from interp.training.randomness import own_randomness
from interp.training.settings import DEFAULT_BACKBONE, Settings
from interp.training.stages import TrainingError


def load_backbone(settings: Settings) -> ImageModel:
    """Return the backbone that the settings name; untrained weights are a function of their seed.

    Raises:
        TrainingError: it is not named. A saved model says its backbone by name, so that it can be built.
        ModelError: nothing of that name, or no way to download it.
    """
    name = settings.backbone
    if name != DEFAULT_BACKBONE and not name.startswith(("torchvision:", "timm:")):
        raise TrainingError(f"backbone={name!r}: give {DEFAULT_BACKBONE}, torchvision:NAME or timm:NAME.")
    with own_randomness(settings.seed):
        return interp.load(settings.backbone, weights="default" if settings.pretrained else None)


def body_of(backbone: ImageModel) -> nn.Module:
    """Return the backbone's network for a training, which leaves the backbone as it was."""
    return deepcopy(backbone.module)
