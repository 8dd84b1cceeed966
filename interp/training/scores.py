"""Metrics of segmentations, exact over the whole validation set: pixels are counted, not batches averaged."""

from __future__ import annotations

import math
from typing import Any

import torch
from fastai.learner import Metric
from torch import Tensor

from interp.images import Preprocess


def confusion(truth: Tensor, predicted: Tensor, classes: int, void: int | None = None) -> Tensor:
    """Return how often class i was predicted as class j, `(classes, classes)`, without `void` truth.

    Args:
        truth: class numbers of any shape.
        predicted: as many.
        classes: how many there are.
        void: a class number that counts nowhere.

    Example:
        >>> confusion(torch.tensor([0, 1]), torch.tensor([0, 0]), 2)
        tensor([[1, 0], [1, 0]])
    """
    truth, predicted = truth.flatten().long(), predicted.flatten().long()
    counted = (truth >= 0) & (truth < classes)
    if void is not None:
        counted &= truth != void
    pairs = truth[counted] * classes + predicted[counted]
    return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_iou(counts: Tensor) -> Tensor:
    """Return `IoU_c = n_cc / (Σ_j n_cj + Σ_i n_ic − n_cc)` of a confusion matrix; NaN for absent classes."""
    counts = counts.double()
    hit = counts.diagonal()
    return hit / (counts.sum(0) + counts.sum(1) - hit)


class _Counted(Metric):  # type: ignore[misc]
    """A number from the confusion matrix of all pixels."""

    def __init__(self, classes: int, void: int | None = None) -> None:
        self._classes, self._void = classes, void
        self.reset()

    def reset(self) -> None:
        """Forget what was counted."""
        self.counts = torch.zeros(self._classes, self._classes, dtype=torch.long)

    def accumulate(self, learn: Any) -> None:
        """Count a batch of logits `(B, classes, H, W)` and masks `(B, H, W)`."""
        predicted = learn.pred.argmax(1)
        self.counts += confusion(learn.yb[0], predicted, self._classes, self._void).cpu()


class MeanIoU(_Counted):
    """The mean over classes that occur of intersection over union, 0 … 1."""

    @property
    def name(self) -> str:
        """Its column in the log."""
        return "mean_iou"

    @property
    def value(self) -> float:
        """The mean so far; NaN before anything is counted."""
        iou = class_iou(self.counts)
        return float(iou[~iou.isnan()].mean()) if bool((~iou.isnan()).any()) else math.nan


class PixelAccuracy(_Counted):
    """The part of the pixels, void ones left out, whose class is right, 0 … 1."""

    @property
    def name(self) -> str:
        """Its column in the log."""
        return "accuracy"

    @property
    def value(self) -> float:
        """The part so far; NaN before anything is counted."""
        total = int(self.counts.sum())
        return float(self.counts.diagonal().sum()) / total if total else math.nan


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Return `PSNR = −10·log10(mean((x − y)²))` in dB for pictures in 0 … 1, `(B,)`."""
    error = (output.float().clamp(0, 1) - target.float()).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-12).log10()


class MeanPsnr(Metric):  # type: ignore[misc]
    """The mean PSNR in dB of outputs against targets, both in the normalisation of `preprocess`."""

    def __init__(self, preprocess: Preprocess) -> None:
        self._preprocess = preprocess
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._values: list[Tensor] = []

    def accumulate(self, learn: Any) -> None:
        """Add a validation batch; in training a GAN's output may be a verdict."""
        if not learn.training:
            good = self._preprocess.inverse(learn.yb[0].as_subclass(Tensor))
            self._values.append(psnr(self._preprocess.inverse(learn.pred), good).cpu())

    @property
    def name(self) -> str:
        """Its column in the log."""
        return "psnr"

    @property
    def value(self) -> float | None:
        """The mean so far."""
        return float(torch.cat(self._values).mean()) if self._values else None
