"""The trained body that a recipe's networks begin with."""

from __future__ import annotations

from copy import deepcopy

from torch import nn

import interp
from interp.models import ImageModel
from interp.training.randomness import own_randomness
from interp.training.settings import Settings


def load_backbone(settings: Settings) -> ImageModel:
    """Return the backbone that the settings name; untrained weights are a function of their seed."""
    with own_randomness(settings.seed):
        return interp.load(settings.backbone, weights="default" if settings.pretrained else None)


def body_of(backbone: ImageModel) -> nn.Module:
    """Return the backbone's network for a training, which leaves the backbone as it was."""
    return deepcopy(backbone.module)
