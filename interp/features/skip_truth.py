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

from interp.features.errors import FeatureError
from interp.images import open_image
from interp.images.opening import Source
from interp.models import ImageModel
from interp.targets import Target

Truth = npt.ArrayLike | Source
Measures = Callable[[Tensor], dict[str, float]]


def measures_of(model: ImageModel, picture: Image.Image, target: Target, truth: Truth | None) -> Measures:
    """Return what measures an output `(1, C, H, W)`: IoU and Dice, or PSNR; nothing without a truth.

    Raises:
        FeatureError: the truth does not fit the network.
        ImageError: a picture that is the truth cannot be opened.
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
    numbers = np.asarray(truth)
    if numbers.ndim != 2 or not np.issubdtype(numbers.dtype, np.integer) or numbers.size == 0:
        raise FeatureError(
            f"truth: {numbers.dtype} of shape {numbers.shape}; give class numbers (height, width) of the "
            "whole picture."
        )
    index = getattr(target, "index", None)
    return lambda output: _overlap(output, _on_grid(model, picture, numbers, output), index)


def _on_grid(
    model: ImageModel, picture: Image.Image, numbers: npt.NDArray[np.integer], output: Tensor
) -> Tensor:
    """Return the class number under the centre of each position of the output; -1 outside the picture."""
    box = model.preprocess.box(picture.size)
    height, width = output.shape[2:]
    x = (box.left + (np.arange(width) + 0.5) * box.width / width) / picture.width
    y = (box.top + (np.arange(height) + 0.5) * box.height / height) / picture.height
    inside = ((y >= 0) & (y < 1))[:, None] & ((x >= 0) & (x < 1))[None]
    rows = np.floor(y * numbers.shape[0]).astype(int).clip(0, numbers.shape[0] - 1)
    columns = np.floor(x * numbers.shape[1]).astype(int).clip(0, numbers.shape[1] - 1)
    found = np.where(inside, numbers[rows][:, columns].astype(np.int64), -1)
    return torch.from_numpy(found).to(output.device)


def _overlap(output: Tensor, truth: Tensor, index: int | None) -> dict[str, float]:
    """IoU and Dice of a class, or their means over the classes of the truth; NaN where it is nowhere."""
    single = output.shape[1] == 1
    predicted = (output[0, 0] > 0).long() if single else output[0].argmax(0)
    known = (truth >= 0) & (truth < max(output.shape[1], 2))
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
