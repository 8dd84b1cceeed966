"""Passes that count the ways through a network, from blanks of several sizes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.features.paths import Paths
from interp.models import ImageModel
from interp.progress import Progress

Weights = npt.NDArray[np.float64]

_LARGEST_SIDE = 8192
# Of a blank that is made longer in one direction; enough for five halvings.
_NARROW = 96


def passed(extractor: Extractor, model: ImageModel, height: int, width: int) -> tuple[Tensor, Tensor, Paths]:
    """Return a blank, the layer's output for it summed over the channels `(h, w)`, and what happened."""
    with torch.inference_mode(False), torch.enable_grad():
        shape = (1, model.preprocess.channels, height, width)
        # Of ones, as products of positions need values; weights become tiny far from the middle.
        blank = torch.ones(shape, dtype=_precise(model), device=model.device, requires_grad=True)
        with Paths() as paths:
            output = extractor(blank)[0]
        if output.dim() != 4:
            raise FeatureError(
                f"the layer {extractor.layers[0]!r} gives {tuple(output.shape)}: it has no grid of "
                "positions, so no receptive field. Choose a convolutional one (`interp layers` lists them)."
            )
        # A layer that the blank does not reach still gives a tensor that asks for gradients: a leaf.
        total = output.sum((0, 1))
        (way,) = torch.autograd.grad(total.sum(), blank, retain_graph=True, allow_unused=True)
        return blank, total.detach() if way is None else total, paths


def _precise(model: ImageModel) -> torch.dtype:
    # Apple's accelerator has no double precision.
    return torch.float32 if model.device.type == "mps" else torch.float64


def weights_of(output: Tensor, place: tuple[int | slice, int | slice], blank: Tensor) -> Weights:
    """Return how much each pixel of the blank counts for some positions of an output, `(H, W)`, sum 1."""
    found: Tensor | None = None
    if output.requires_grad:
        with torch.inference_mode(False), torch.enable_grad():
            asked = output[place].sum()
            (found,) = torch.autograd.grad(asked, blank, retain_graph=True, allow_unused=True)
    reached = torch.ones_like(blank) if found is None else found
    weights: Weights = reached[0].sum(0).abs().double().cpu().numpy()
    return np.asarray(weights / weights.sum())


def unbounded(
    extractor: Extractor, model: ImageModel, axis: int, progress: Progress | None = None
) -> tuple[int, float] | None:
    """Return size and stride along an axis, from inputs made longer until no border cuts the field off."""
    own = model.preprocess.size
    side, other = own[axis], min(own[1 - axis], _NARROW)
    most = math.floor(math.log2(_LARGEST_SIDE / side)) + 1 if side <= _LARGEST_SIDE else 0
    while side <= _LARGEST_SIDE:
        if progress is not None:
            progress(axis * most + round(math.log2(side / own[axis])), 2 * most)
        shape = (side, other) if axis == 0 else (other, side)
        try:
            blank, output, _ = passed(extractor, model, *shape)
        except (RuntimeError, ValueError, AssertionError, IndexError, TypeError):
            # Some networks run on inputs of one size only, some on none this narrow.
            if other == own[1 - axis]:
                return None
            other = own[1 - axis]
            continue
        if output.requires_grad and (found := _inside(blank, output, axis, side)):
            return found
        side *= 2
    return None


def _inside(blank: Tensor, output: Tensor, axis: int, side: int) -> tuple[int, float] | None:
    """Return size and stride of the fields in the middle, or None if a border cuts one of them off."""
    middle = output.shape[axis] // 2
    # A power of two: fields of a U-Net are evenly apart only from period to period.
    apart = 1 << max(output.shape[axis] // 4, 1).bit_length() - 1
    if middle + apart >= output.shape[axis]:
        return None
    ends = []
    for place in (middle, middle + apart):
        line = (place, slice(None)) if axis == 0 else (slice(None), place)
        weights = weights_of(output, line, blank).sum(1 - axis)
        ends.append(interval(weights, 1.0))
    if min(first for first, _ in ends) == 0 or max(last for _, last in ends) == side:
        return None
    (first, last), (next_first, _) = ends
    return last - first, (next_first - first) / apart


def interval(weights: Weights, share: float) -> tuple[int, int]:
    """Return the first place and the one after the last of the middle `share` of weights along an axis.

    Example:
        >>> interval(np.array([0.0, 0.1, 0.4, 0.4, 0.1]), 1.0)
        (1, 5)
    """
    if share >= 1:
        places = np.flatnonzero(weights)
        return int(places[0]), int(places[-1]) + 1
    grown = np.cumsum(weights) / weights.sum()
    outside = (1 - share) / 2
    # A hair of tolerance, as sums of thousands of weights are rounded.
    first = int(np.searchsorted(grown, outside + 1e-9, side="right"))
    return first, int(np.searchsorted(grown, 1 - outside - 1e-9)) + 1
