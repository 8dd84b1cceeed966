"""From a fastai `Learner` to an `ImageModel`: its own normalisation, vocabulary, size and task."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from interp.images import Fit, Preprocess
from interp.models.architecture import Architecture
from interp.models.builders import ModelError
from interp.models.image_model import Activation, ImageModel, Task
from interp.models.labels import Labels


def is_learner(source: object) -> bool:
    """Whether `source` is a fastai Learner, without importing fastai."""
    return any(
        kind.__module__ == "fastai.learner" and kind.__name__ == "Learner" for kind in type(source).__mro__
    )


def is_dense(model: ImageModel) -> bool:
    """Whether the network puts out a value for every position, found by running it once.

    Raises:
        ModelError: it does not run on what its preprocessing makes.
    """
    return len(output_shape(model)) == 4


def output_shape(model: ImageModel) -> tuple[int, ...]:
    """Return the shape of what the network puts out for one picture, found by running it once.

    Raises:
        ModelError: it does not run on what its preprocessing makes.
    """
    return tuple(model.logits(model.blank()).shape)


def from_learner(
    learner: Any, name: str, preprocess: Preprocess | None = None, architecture: Architecture | None = None
) -> ImageModel:
    """Return the learner's network with what its validation pictures go through.

    The item's `Resize` (crop, squish or pad) is kept as it is. A second size in the batch transforms
    (`aug_transforms(size=...)`) is made in the same step, so pixels differ a little from fastai's two.

    Args:
        learner: with its data, or one that was exported without.
        name: what to call it.
        preprocess: instead of the learner's own.
        architecture: how to build its network without weights, so that it can be saved.

    Raises:
        ModelError: the learner's pictures are not one image block, or come without a fixed size.
    """
    model = ImageModel(learner.model, preprocess or _preprocess(learner), name, architecture=architecture)
    codes = [step.codes for step in _item_steps(learner) if type(step).__name__ == "AddMaskCodes"]
    task: Task = "classification"
    if is_dense(model):
        # A hand-written data set without a mask block still says by its loss that pixels have classes.
        classes = bool(codes) or "CrossEntropy" in type(learner.loss_func).__name__
        task = "segmentation" if classes else "image"
    vocabulary = codes[0] if codes else getattr(learner.dls, "vocab", None)
    names = () if vocabulary is None or task == "image" else _names(list(vocabulary))
    if len(names) == 2 and output_shape(model)[1] == 1:
        names = names[1:]  # a single logit is positive where the second of two classes is
    return replace(model, task=task, labels=Labels(names), activation=_activation(learner, task))


def _names(vocabulary: list[Any]) -> tuple[str, ...]:
    if vocabulary and not isinstance(vocabulary[0], str) and hasattr(vocabulary[0], "__len__"):
        vocabulary = list(vocabulary[-1])  # one vocabulary for each block: the target's is the last
    return tuple(map(str, vocabulary))


def _item_steps(learner: Any) -> list[Any]:
    return list(learner.dls.valid.after_item.fs)


def _activation(learner: Any, task: Task) -> Activation:
    name = type(learner.loss_func).__name__
    if task == "image" or "MSE" in name or "L1" in name:
        return "none"
    return "sigmoid" if "BCE" in name else "softmax"


def _preprocess(learner: Any) -> Preprocess:
    from fastai.data.transforms import Normalize

    normalize = [t for t in learner.dls.valid.after_batch.fs if isinstance(t, Normalize)]
    sample = _pictures(learner)
    if getattr(sample, "dim", lambda: 0)() != 4:
        raise ModelError(
            "the Learner's first input is not a batch of pictures; give its .model and a Preprocess."
        )
    channels, height, width = sample.shape[1:]
    mean, std = (0.0,) * channels, (1.0,) * channels
    if normalize:
        mean, std = (tuple(getattr(normalize[0], key).flatten().tolist()) for key in ("mean", "std"))
    return Preprocess((height, width), mean, std, fit=_fit(learner))


def _pictures(learner: Any) -> Any:
    """Return a batch of validation pictures as the network gets them, to see its shape."""
    for part in (learner.dls.valid, learner.dls.train):
        if len(part):
            return part.one_batch()[0]
    # An exported Learner has no pictures. An empty one shows the size, unless it comes out as it went in.
    empty = np.zeros((61, 67, 3), dtype=np.uint8)
    try:
        batch = learner.dls.test_dl([empty], num_workers=0).one_batch()[0]
    except Exception as error:
        raise ModelError(
            f"the exported Learner does not take a plain picture ({type(error).__name__}: {error}). Say what "
            "its network takes: load(..., preprocess=Preprocess((height, width), mean, std))."
        ) from error
    if tuple(batch.shape[-2:]) == empty.shape[:2]:
        raise ModelError(
            "the exported Learner has no Resize, so nobody knows the size of its pictures. Give it: "
            "load(..., preprocess=Preprocess((height, width), mean, std))."
        )
    return batch


def _fit(learner: Any) -> Fit:
    from fastai.vision.augment import PadMode, RandomResizedCrop, Resize, ResizeMethod

    fits: dict[Any, Fit] = {ResizeMethod.Squish: "squish", ResizeMethod.Pad: "pad", ResizeMethod.Crop: "crop"}
    for step in _item_steps(learner):
        if isinstance(step, RandomResizedCrop):
            _warn("goes through RandomResizedCrop, which is followed only as a squish")
        elif isinstance(step, Resize):
            if step.method == ResizeMethod.Pad and step.pad_mode != PadMode.Zeros:
                _warn(f"has borders of {step.pad_mode}, which here are black (pad_mode='zeros')")
            return fits[step.method]
    return "squish"


def _warn(what: str) -> None:
    warnings.warn(
        f"a validation picture of the Learner {what}; probabilities differ a little from learn.predict.",
        stacklevel=2,
    )
