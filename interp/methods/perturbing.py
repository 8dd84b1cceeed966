"""What the methods share that change the input, or a layer's channels, and look at the score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal, NoReturn, get_args

import torch
import torch.nn.functional as F

from interp.methods.cam import grid_of
from interp.methods.checks import check_graph
from interp.methods.probe import AT_ONCE, Probe, Tail
from interp.methods.spelling import MethodError
from interp.precision import in_full
from interp.targets import Target

Baseline = Literal["black", "white", "zero", "mean", "blur"]
"""What a picture without content is, the same words in every method: see `replacement`."""

_FEW_POSITIONS = 32 * 32
_BLUR = 20 / 224  # σ of a blur that leaves no detail, in short sides: Fong et al., ICCV 2019


def at_once(tensor: torch.Tensor) -> int:
    """Return how many pictures go into one pass.

    On a CPU the activations of 8 pictures still fit the cache; 32 take up to twice as long for each. A GPU is
    only busy with more.
    """
    return 8 if tensor.device.type == "cpu" else AT_ONCE


def scored(
    probe: Probe,
    count: int,
    changed: Callable[[int, int], torch.Tensor],
    *,
    tail: Tail | None = None,
    before: int = 0,
    total: int | None = None,
    alike: bool = False,
) -> torch.Tensor:
    """Return the scores `(count,)` of changed inputs, which are made and dropped a few at a time.

    Args:
        probe: is asked, and told how far this is.
        count: how many there are.
        changed: `changed(start, stop)` makes those from `start` to before `stop`.
        tail: what they go through, where they are not inputs but activations of the layer.
        before: how many were done before these.
        total: how many there will be altogether; default: `count`.
        alike: whether they are the same for every target, so that all of the picture are scored at once.
    """
    if alike and count:
        score = partial(_scored, probe, count, changed, tail, before, total or count)
        return probe.siblings.scores(probe.target, before, score)
    return _scored(probe, count, changed, tail, before, total or count, probe.target)


def _scored(
    probe: Probe,
    count: int,
    changed: Callable[[int, int], torch.Tensor],
    tail: Tail | None,
    before: int,
    total: int,
    target: Target,
) -> torch.Tensor:
    asking = replace(probe, target=target)
    ask = partial(asking.scores, passes=total) if tail is None else replace(tail, probe=asking)
    # Where a layer has few positions its weights are what must be fetched, so more at once are faster.
    few = tail is not None and math.prod(tail.activation.shape[2:]) <= _FEW_POSITIONS
    size, found = AT_ONCE if few else at_once(probe.inputs), []
    for start in range(0, count, size):
        probe.progress(before + start, total)
        found.append(ask(changed(start, min(start + size, count))))
    probe.progress(before + count, total)
    return torch.cat(found) if found else in_full(probe.inputs.new_zeros(0))


def depending(score: torch.Tensor, probe: Probe) -> torch.Tensor:
    """Return the score, if it depends on the picture.

    Raises:
        CaptureError, MethodError: it does not.
    """
    if torch.is_grad_enabled() and not score.requires_grad:
        refuse(probe)
    return score


def refuse(probe: Probe) -> NoReturn:
    """Say why no gradient reaches the picture.

    Raises:
        CaptureError: the network's output never carries one.
        MethodError: the target's score does not.
    """
    check_graph(probe.module, probe.inputs)
    raise MethodError("the target does not depend on the picture, so nothing can be said of its pixels.")


def picture(probe: Probe) -> torch.Tensor:
    """Return the input `(1, C, *size)`, in full precision and free of inference mode."""
    return in_full(probe.inputs.clone())


def replacement(probe: Probe, kind: str, title: str) -> torch.Tensor:
    """Return a picture without content, or what stands where the picture is taken away, `(1, C, *size)`.

    `black` and `white` are the colours, `zero` is 0 of the normalised input, which is the mean colour of the
    training pictures, `mean` the picture's own mean colour, `blur` the picture without any detail. Where the
    input is no picture, `black` is 0, too, and nothing is white.

    Raises:
        MethodError: there is no such baseline.
    """
    given = picture(probe)
    pictures = probe.model.input_shape is None
    if kind == "black" and not pictures:
        return torch.zeros_like(given)
    if kind in ("black", "white") and pictures:
        return levels(probe)[kind == "white"].expand_as(given).clone()
    if kind == "zero":
        return torch.zeros_like(given)
    if kind == "mean":
        return given.mean(grid_of(given), keepdim=True).expand_as(given)
    if kind == "blur":
        return blurred(given, _BLUR * min(given.shape[2:]))
    known = [name for name in get_args(Baseline) if pictures or name != "white"]
    raise MethodError(f"{title}(baseline={kind!r}): give {', '.join(known)}.")


def levels(probe: Probe) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the input's lowest and highest values, `(1, C, 1 …)`: black and white of a picture.

    Where the input is no picture, no preprocessing knows them; then they are its own.
    """
    given = picture(probe)
    if probe.model.input_shape is not None:
        return given.amin(grid_of(given), keepdim=True), given.amax(grid_of(given), keepdim=True)
    shape = (1, -1, *[1] * (given.dim() - 2))
    settings = probe.model.preprocess
    mean, std = (given.new_tensor(each).view(shape) for each in (settings.mean, settings.std))
    return -mean / std, (1 - mean) / std


def blurred(pictures: torch.Tensor, sigma: float, radius: int | None = None) -> torch.Tensor:
    """Return `(N, C, *size)` under a Gaussian blur of `sigma` pixels; the border goes on for ever.

    The kernel is cut at `radius` pixels, else at 3σ.
    """
    if sigma <= 0:
        return pictures
    radius = math.ceil(3 * sigma) if radius is None else radius
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for side in grid_of(pictures):
        # What each row and column becomes, as a matrix: made on the CPU, and no larger than the picture.
        length = pictures.shape[side]
        places = (torch.arange(length)[:, None] + offsets).clamp(0, length - 1)
        weights = torch.zeros(length, length, dtype=torch.float64)
        weights = weights.scatter_add_(1, places, kernel.expand(length, -1)).to(pictures.dtype)
        pictures = torch.tensordot(pictures, weights.to(pictures.device), ([side], [1])).movedim(-1, side)
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
    """Raise a `MethodError` that names the option unless its value is so large, and finite."""
    if not least <= value < math.inf:
        raise MethodError(f"{title}({option}={value!r}): give {least:g} or more.")
