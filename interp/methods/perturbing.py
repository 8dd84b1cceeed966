"""What the methods share that change the input, or a layer's channels, and look at the score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from interp.methods.applying import in_full
from interp.methods.cam import grid_of
from interp.methods.probe import Probe
from interp.methods.spelling import MethodError

Baseline = Literal["zero", "mean", "blur"]

_BLUR = 20 / 224  # σ of a blur that leaves no detail, in short sides: Fong et al., ICCV 2019


def at_once(tensor: torch.Tensor) -> int:
    """Return how many pictures go into one pass.

    On a CPU the activations of 8 pictures still fit the cache; 32 take twice as long for each. A GPU is only
    busy with more.
    """
    return 8 if tensor.device.type == "cpu" else 32


def scored(
    probe: Probe,
    count: int,
    changed: Callable[[int, int], torch.Tensor],
    *,
    scores: Callable[[torch.Tensor], torch.Tensor] | None = None,
    before: int = 0,
    total: int | None = None,
) -> torch.Tensor:
    """Return the scores `(count,)` of changed inputs, which are made and dropped a few at a time.

    Args:
        probe: is asked, and told how far this is.
        count: how many there are.
        changed: `changed(start, stop)` makes those from `start` to before `stop`.
        scores: what is asked of them; default: `probe.scores`.
        before: how many were done before these.
        total: how many there will be altogether; default: `count`.
    """
    ask = probe.scores if scores is None else scores
    size, found = at_once(probe.inputs), []
    for start in range(0, count, size):
        probe.progress(before + start, total or count)
        found.append(ask(changed(start, min(start + size, count))))
    probe.progress(before + count, total or count)
    return torch.cat(found) if found else in_full(probe.inputs.new_zeros(0))


def picture(probe: Probe) -> torch.Tensor:
    """Return the input `(1, C, *size)`, in full precision and free of inference mode."""
    return in_full(probe.inputs.clone())


def replacement(probe: Probe, kind: str, title: str) -> torch.Tensor:
    """Return what stands where the picture is taken away, `(1, C, *size)`.

    `zero` is 0 of the normalised input, `mean` the picture's own mean colour, `blur` the picture without
    any detail.
    """
    given = picture(probe)
    if kind == "zero":
        return torch.zeros_like(given)
    if kind == "mean":
        return given.mean(grid_of(given), keepdim=True).expand_as(given)
    if kind == "blur":
        return blurred(given, _BLUR * min(given.shape[2:]))
    raise MethodError(f"{title}(baseline={kind!r}): give {', '.join(get_args(Baseline))}.")


def blurred(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return `(N, C, *size)` under a Gaussian blur of `sigma` pixels; the border goes on for ever."""
    if sigma <= 0:
        return pictures
    radius = math.ceil(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for side in grid_of(pictures):
        length = pictures.shape[side]
        places = torch.arange(-radius, length + radius, device=pictures.device).clamp(0, length - 1)
        wide = pictures.index_select(side, places)
        pictures = wide.unfold(side, len(kernel), 1) @ kernel
    return pictures


def upsampled(maps: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Return maps `(N, C, *grid)` at the size of the input."""
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return F.interpolate(maps, size=size, mode=mode, align_corners=False)


def stretched(maps: torch.Tensor) -> torch.Tensor:
    """Return maps `(N, C, *size)`, each from 0 to 1; a constant one, which has no such form, as 0."""
    low = maps.amin(grid_of(maps), keepdim=True)
    span = maps.amax(grid_of(maps), keepdim=True) - low
    return torch.where(span > 0, (maps - low) / span, 0)


def at_least(title: str, option: str, value: float, least: float) -> None:
    """Raise a `MethodError` that names the option if its value is below `least`."""
    if not value >= least:
        raise MethodError(f"{title}({option}={value!r}): give {least:g} or more.")
