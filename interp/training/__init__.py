"""The recipes that produce the models: classifier, U-Net segmentation, super-resolution, GANs.

Everything below is imported on first use: the recipes import fastai, which takes some seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.training.classifier import Classifier, ClassifierSettings
    from interp.training.data import DataError
    from interp.training.enhancing import EnhanceError, enhance
    from interp.training.fetching import fetch
    from interp.training.gan import Gan, GanSettings
    from interp.training.learners import RateSearch
    from interp.training.loaders import Augmentation
    from interp.training.perceptual import PerceptualLoss
    from interp.training.recipe import Recipe, Trained, Watcher, search_rate, train
    from interp.training.record import BestEpoch, RunRecord, RunState, good_when, read_run, runs_in
    from interp.training.segmentation import Segmentation, SegmentationSettings
    from interp.training.settings import Settings
    from interp.training.stages import Stage, TrainingError, parse_stage
    from interp.training.superres import SuperResolution, SuperResolutionSettings
    from interp.training.wgan import Wgan, WganSettings

__all__ = [
    "Augmentation",
    "BestEpoch",
    "Classifier",
    "ClassifierSettings",
    "DataError",
    "EnhanceError",
    "Gan",
    "GanSettings",
    "PerceptualLoss",
    "RateSearch",
    "Recipe",
    "RunRecord",
    "RunState",
    "Segmentation",
    "SegmentationSettings",
    "Settings",
    "Stage",
    "SuperResolution",
    "SuperResolutionSettings",
    "Trained",
    "TrainingError",
    "Watcher",
    "Wgan",
    "WganSettings",
    "enhance",
    "fetch",
    "good_when",
    "parse_stage",
    "read_run",
    "runs_in",
    "search_rate",
    "train",
]

_HOMES = {
    "classifier": ("Classifier", "ClassifierSettings"),
    "data": ("DataError",),
    "enhancing": ("EnhanceError", "enhance"),
    "fetching": ("fetch",),
    "gan": ("Gan", "GanSettings"),
    "learners": ("RateSearch",),
    "loaders": ("Augmentation",),
    "perceptual": ("PerceptualLoss",),
    "recipe": ("Recipe", "Trained", "Watcher", "search_rate", "train"),
    "record": ("BestEpoch", "RunRecord", "RunState", "good_when", "read_run", "runs_in"),
    "segmentation": ("Segmentation", "SegmentationSettings"),
    "settings": ("Settings",),
    "stages": ("Stage", "TrainingError", "parse_stage"),
    "superres": ("SuperResolution", "SuperResolutionSettings"),
    "wgan": ("Wgan", "WganSettings"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"interp.training.{home}"), name)
    raise AttributeError(f"module 'interp.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
