"""How good an output is, measured against a ground truth on its own grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from interp.dense import RegionTarget
from interp.features.errors import FeatureError
from interp.images import open_image
from interp.images.opening import Source
from interp.logits import SumTarget
from interp.models import ImageModel
from interp.regions import NOWHERE, as_numbers, fitted
from interp.targets import Seen, Target

Truth = npt.ArrayLike | Source
Measures = Callable[[Tensor], dict[str, float]]


def measures_of(model: ImageModel, picture: Image.Image, target: Target, truth: Truth | None) -> Measures:
    """Return what measures an output `(1, C, H, W)`: IoU and Dice, or PSNR; nothing without a truth.

    Raises:
        FeatureError: the truth does not fit the network.
        PlaceError: it is no label map, or of another size than the picture's and the output's.
        ImageError: a file that is the truth cannot be opened.
    """
    if truth is None:
        return lambda _output: {}
    if model.task == "image":
        wanted = open_image(cast(Source, truth))
        return lambda output: {"PSNR": _psnr(model, output, wanted)}
    if model.task != "segmentation":
        raise FeatureError(
            f"truth= is for segmentations and networks that make pictures; {model.name} does {model.task}."
        )
    numbers, seen = as_numbers(truth, "the ground truth"), Seen(picture, model.preprocess)
    index, void = _class_of(target), model.labels.void

    def measured(output: Tensor) -> dict[str, float]:
        size = (output.shape[2], output.shape[3])
        there = torch.from_numpy(fitted(numbers, size, seen, "the ground truth", NOWHERE).copy())
        return _overlap(output, there.to(output.device), index, void)

    return measured


def _class_of(target: Target) -> int | None:
    """Return the class that a target asks about; `None` where it is none, or more than one."""
    if isinstance(target, SumTarget):
        found = {_class_of(term) for _, term in target.terms}
        return found.pop() if len(found) == 1 else None
    return target.index if isinstance(target, RegionTarget) else None


def _overlap(output: Tensor, truth: Tensor, index: int | None, void: int | None) -> dict[str, float]:
    """IoU and Dice of a class, or their means over the classes of the truth; NaN where it is nowhere.

    Void positions are neither right nor wrong, as in the training's score.
    """
    single = output.shape[1] == 1
    predicted = (output[0, 0] > 0).long() if single else output[0].argmax(0)
    known = (truth >= 0) & (truth < max(output.shape[1], 2))
    if void is not None and void != index and not single:
        known &= truth != void
    # A single logit is that of class 1 against 0.
    classes = (
        [1] if single else truth[known].bincount().nonzero().flatten().tolist() if index is None else [index]
    )
    found = []
    for one in classes:
        here, there = known & (truth == one), known & (predicted == one)
        both, either = int((here & there).sum()), int((here | there).sum())
        found.append((both / either, 2 * both / (both + either)) if either else (np.nan, np.nan))
    iou, dice = zip(*found, strict=True) if found else ((np.nan,), (np.nan,))
    return {"IoU": float(np.mean(iou)), "Dice": float(np.mean(dice))}


def _psnr(model: ImageModel, output: Tensor, wanted: Image.Image) -> float:
    size = (output.shape[2], output.shape[3])
    goal = torch.from_numpy(np.asarray(replace(model.preprocess, size=size).view(wanted)) / 255.0)
    made = model.preprocess.inverse(output)[0].permute(1, 2, 0).cpu().double()
    error = float((made - goal).square().mean())
    return -10 * float(np.log10(max(error, 1e-12)))
