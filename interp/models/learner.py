"""From a fastai `Learner` to an `ImageModel`: its own normalisation, vocabulary, size and task."""

from __future__ import annotations

from typing import Any

from interp.images import Fit, Preprocess
from interp.models.image_model import Activation, ImageModel, Task
from interp.models.labels import Labels
from interp.models.sources import Architecture, ModelError


def is_learner(source: object) -> bool:
    """Whether `source` is a fastai Learner, without importing fastai."""
    return any(
        kind.__module__ == "fastai.learner" and kind.__name__ == "Learner" for kind in type(source).__mro__
    )


def from_learner(learner: Any, name: str, architecture: Architecture | None = None) -> ImageModel:
    """Return the learner's network with what its validation pictures go through.

    The item's `Resize` (crop, squish or pad) is kept as it is. A second size in the batch transforms
    (`aug_transforms(size=...)`) is made in the same step, so pixels differ a little from fastai's two.

    Raises:
        ModelError: the learner's pictures are not one image block, or come without a fixed size.
    """
    vocabulary = getattr(learner.dls, "vocab", None) or ()
    if vocabulary and not isinstance(vocabulary[0], str) and hasattr(vocabulary[0], "__len__"):
        vocabulary = vocabulary[-1]
    task = _task(learner)
    return ImageModel(
        module=learner.model,
        preprocess=_preprocess(learner),
        name=name,
        labels=Labels(tuple(map(str, vocabulary if task != "image" else ()))),
        task=task,
        activation=_activation(learner, task),
        architecture=architecture,
    )


def _task(learner: Any) -> Task:
    from fastai.vision.core import PILMask

    kinds = {getattr(t, "type_tfms", None) for t in _types(learner)}
    if any(isinstance(kind, type) and issubclass(kind, PILMask) for kind in kinds):
        return "segmentation"
    if any(
        name.startswith(("Categor", "MultiCategor")) for name in (type(t).__name__ for t in _types(learner))
    ):
        return "classification"
    import torch

    with torch.no_grad():
        dense = learner.dls.one_batch()[-1].dim() == 4
    return "image" if dense else "classification"


def _types(learner: Any) -> list[Any]:
    pipelines = getattr(learner.dls, "tfms", None) or []
    return [step for pipeline in pipelines for step in getattr(pipeline, "fs", [])]


def _activation(learner: Any, task: Task) -> Activation:
    name = type(learner.loss_func).__name__
    if task == "image" or "MSE" in name or "L1" in name:
        return "none"
    return "sigmoid" if "BCE" in name else "softmax"


def _preprocess(learner: Any) -> Preprocess:
    from fastai.data.transforms import Normalize
    from fastai.vision.augment import Resize, ResizeMethod

    item = [t for t in learner.dls.valid.after_item.fs if isinstance(t, Resize)]
    normalize = [t for t in learner.dls.valid.after_batch.fs if isinstance(t, Normalize)]
    sample = learner.dls.valid.one_batch()[0] if len(learner.dls.valid_ds) else learner.dls.one_batch()[0]
    if getattr(sample, "dim", lambda: 0)() != 4:
        raise ModelError(
            "the Learner's first input is not a batch of pictures; give its .model and a Preprocess."
        )
    channels, height, width = sample.shape[1:]
    mean, std = (0.0,) * channels, (1.0,) * channels
    if normalize:
        mean, std = (tuple(getattr(normalize[0], key).flatten().tolist()) for key in ("mean", "std"))
    fits: dict[Any, Fit] = {ResizeMethod.Squish: "squish", ResizeMethod.Pad: "pad", ResizeMethod.Crop: "crop"}
    fit = fits[item[0].method] if item else "squish"
    return Preprocess((height, width), mean, std, fit=fit)
