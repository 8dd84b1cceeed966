"""Occlusion: how much the score drops when a window of the picture is taken away."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import torch

from interp.methods.perturbing import Baseline, picture, replacement, scored
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError


def _pixels(value: float, side: int) -> int:
    return max(1, round(value * side if value < 1 else value))


def _starts(length: int, window: int, stride: int) -> list[int]:
    """Return where windows start so that the last one ends with the picture."""
    last = max(length - window, 0)
    return [*range(0, last, stride), last]


def _passes(options: Mapping[str, Any]) -> float:
    side = 224  # of the default network
    window, stride = _pixels(options["window"], side), _pixels(options["stride"], side)
    return len(_starts(side, window, stride)) ** 2 + 1.0


@method(
    "occlusion",
    "Occlusion",
    family="perturbation",
    needs="probe",
    place="input",
    display="signed",
    formula="mean over the windows W at a position of s(x) − s(x without W)",
    paper="Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014",
    passes=_passes,
)
def occlusion(
    probe: Probe, *, window: float = 0.2, stride: float = 0.1, baseline: Baseline = "zero"
) -> torch.Tensor:
    """Return at each position the mean drop of the score over the windows that cover it.

    The last window of each row and column ends with the picture, so every position is covered.

    Args:
        probe: of one picture.
        window: side of the square window: below 1 in sides of the picture (the shorter one), else in pixels.
        stride: from one window to the next, likewise; at most `window`.
        baseline: what comes in its place: `zero` of the normalised input, the picture's `mean` colour, a
            `blur` of the picture, `black` or `white`.
    """
    given = picture(probe)
    side = min(given.shape[2:])
    for option, value in (("window", window), ("stride", stride)):
        if not 0 < value <= side:
            raise MethodError(
                f"occlusion({option}={value!r}): give a part of the picture's side, as 0.2, or 1 to {side} "
                "pixels."
            )
    size, step = _pixels(window, side), _pixels(stride, side)
    if step > size:
        raise MethodError(f"occlusion(stride={stride!r}): windows of {size} pixels would leave gaps.")
    instead = replacement(probe, baseline, "occlusion")
    corners = product(*[_starts(length, size, step) for length in given.shape[2:]])
    windows: list[tuple[Any, ...]] = [
        (..., *(slice(start, start + size) for start in corner)) for corner in corners
    ]

    def occluded(start: int, stop: int) -> torch.Tensor:
        changed = given.repeat(stop - start, *[1] * (given.dim() - 1))
        for row, place in enumerate(windows[start:stop]):
            changed[row][place] = instead[0][place]
        return changed

    drops = probe.scores(given, len(windows))[0] - scored(probe, len(windows), occluded, alike=True)
    total = drops.new_zeros(given.shape[2:])
    covered = torch.zeros_like(total)
    for drop, place in zip(drops, windows, strict=True):
        total[place] += drop
        covered[place] += 1
    return total / covered
