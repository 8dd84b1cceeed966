"""Gradient ascent on what makes a picture: the loop that all visualisations share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.visualisation.parametrisation import Parametrisation
from interp.features.visualisation.transforms import Transform, transformed
from interp.progress import Progress

Score = Callable[[Tensor], Tensor]
"""From pictures `(B, C, H, W)` of 0 … 1 to one number for each, `(B,)`."""


@dataclass(frozen=True, eq=False)
class Ascent:
    """What an ascent came to.

    Attributes:
        pictures: float32 `(B, C, H, W)` of 0 … 1.
        history: float32 `(steps done, B)`, the values that were climbed, of the moved pictures.
        importance: float32 `(B, H, W)`, the sum over steps of `|d value / d pixel|`, mean over channels.
        finished: whether all steps were made.
    """

    pictures: Tensor
    history: Tensor
    importance: Tensor
    finished: bool


def ascend(
    start: Parametrisation,
    score: Score,
    *,
    steps: int = 256,
    lr: float | None = None,
    settle: bool = False,
    transforms: Sequence[Transform] = (),
    seed: int = 0,
    rescue: Score | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Ascent:
    """Climb a score with Adam, on the parameters of pictures, and return the pictures.

    To be stopped by Ctrl-C, or by `stop`; what has been reached is returned. Works inside `no_grad` and
    `inference_mode`. The parameters of `start` are changed.

    Args:
        start: the parameters, and how they become pictures.
        score: what to climb; each picture has its own.
        steps: of Adam, 0 or more.
        lr: Adam's; default: that of `start`.
        settle: let the rate fall to 0 along a cosine, to come to rest at one picture.
        transforms: of the pictures before the score, drawn anew for each step.
        seed: of the transforms.
        rescue: gives the gradient of pictures that the score has none for, as where all rectifiers are shut.
        progress: is told after each step.
        stop: is asked before each step.

    Raises:
        FeatureError: the number of steps is negative, or the gradient of a step is not finite.

    Example:
        >>> found = ascend(pixels((1, 1, 8, 8)), lambda pictures: pictures.mean((1, 2, 3)), steps=64)
        >>> bool(found.pictures.mean() > 0.9)
        True
    """
    if steps < 0:
        raise FeatureError(f"steps={steps}: give 0 or more.")
    optimiser = torch.optim.Adam(start.parameters, lr=start.lr if lr is None else lr)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1)) if settle else None
    # Its own, so that the noise to begin with and the moves are not the same numbers.
    generator = torch.Generator().manual_seed(seed ^ 0x5EED)
    history: list[Tensor] = []
    with torch.inference_mode(False), torch.no_grad():
        pictures = start.pictures()
        importance = torch.zeros_like(pictures[:, 0])
        finished = False
        try:
            for step in range(steps):
                if stop is not None and stop():
                    break
                values, slope = _climb(start, score, rescue, optimiser, transforms, generator)
                if falling is not None:
                    falling.step()
                history.append(values)
                importance += slope
                if progress is not None:
                    progress(step + 1, steps)
            else:
                finished = True
        except KeyboardInterrupt:
            pass
        pictures = start.pictures()
        rows = torch.stack(history) if history else pictures.new_zeros(0, len(pictures))
    return Ascent(pictures.cpu(), rows.float().cpu(), importance.cpu(), finished)


def _climb(
    start: Parametrisation,
    score: Score,
    rescue: Score | None,
    optimiser: torch.optim.Optimizer,
    transforms: Sequence[Transform],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Make one step and return the values before it, and how much each pixel counted."""
    with torch.enable_grad():
        before = generator.get_state()
        values, gradients = _slope(start, score, transforms, generator)
        steepest = gradients[0].flatten(1).abs().amax(1)
        if not steepest.isfinite().all():
            raise FeatureError(
                "the gradient of what is to be climbed has values that are not finite (NaN or infinity), so "
                "it leads nowhere; choose another layer."
            )
        lost = steepest == 0
        if rescue is not None and lost.any():
            generator.set_state(before)
            _, others = _slope(start, rescue, transforms, generator)
            gradients = tuple(
                torch.where(lost.reshape(-1, *(1,) * (own.dim() - 1)), other, own)
                for own, other in zip(gradients, others, strict=True)
            )
    for parameter, gradient in zip(start.parameters, gradients[1:], strict=True):
        parameter.grad = gradient
    optimiser.step()
    optimiser.zero_grad()
    return values.detach(), gradients[0].abs().mean(1)


def _slope(
    start: Parametrisation, score: Score, transforms: Sequence[Transform], generator: torch.Generator
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the values, and their falling gradient by the pictures and by each parameter."""
    pictures = start.pictures()
    values = score(transformed(pictures, transforms, generator))
    return values, torch.autograd.grad(-values.sum(), (pictures, *start.parameters))
