"""U-Noise for one picture: where noise may stand without moving the score, and where it may not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from interp.methods.masks import coarse_grid
from interp.methods.perturbing import at_least, depending, levels, picture, upsampled
from interp.methods.probe import AT_ONCE, Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError
from interp.precision import in_full

_START = 0.1  # σ: of much more noise at once the network makes nothing that could be followed
_LEAST = 0.01  # σ: less is not told apart
_DRAWS = 16  # of full noise, to know what it does
_MEMORY = 0.8  # of what earlier steps saw
_LONG = 0.95  # the same of the two sides of a ratio
_STRIDE = 0.3  # how far log σ goes in a step at most
_LEVEL = 0.5  # how fast the level of all follows the change
_MISSED = 2.0  # times the change that is allowed, from where on it is said


def _passes(options: Mapping[str, Any]) -> float:
    return float(2 * options["steps"] * options["samples"] + _DRAWS + 1)


@method(
    "u-noise",
    "U-Noise",
    family="perturbation",
    needs="probe",
    place="input",
    display="positive",
    formula="1 − argmax_(σ ≤ 1) mean(log σ) : E(s(x + aσ ⊙ ε) − s(x))² ≤ change² · E(s(x + aε) − s(x))²",
    paper="Koker et al., U-Noise, ICIP 2021",
    passes=_passes,
)
def u_noise(
    probe: Probe,
    *,
    steps: int = 40,
    samples: int = 2,
    strength: float = 0.5,
    change: float = 0.1,
    cells: int = 28,
    seed: int = 0,
) -> torch.Tensor:
    """Return `1 − σ`, where `σ`, 0 … 1, is how much of the noise each place of the picture tolerates.

    Gaussian noise of each pixel, `ε`, is scaled by a mask on a coarse grid, which is made as large as it can
    be while the score stays, in the root mean square. Of a linear score `w · x` the best mask is known:
    `σ = min(1, κ / |w|)`. Where the score does not react to noise, the map is 0. A note says how far the
    score moves where that is more than twice what was allowed.

    The paper trains a network that gives the mask of any picture, for a whole data set, and wants the
    segmentation's cross-entropy low beside a weight for the noise; its noise never falls below a least one.
    Here one mask is sought for one picture and target, which needs no data: the score itself must stay, by a
    change that is said and not by a weight, and there may be no noise at all. The slope of the squared change
    is not sampled as it stands, which would take thousands of passes: by Stein's identity that of its part
    linear in the noise is `2 (aσ ∂s/∂x)²`, and only the rest is sampled, from pairs of ε and −ε.

    Args:
        probe: of one picture.
        steps: of the search, each a forward and a backward pass of every draw.
        samples: draws of the noise in each step, in pairs of ε and −ε: an even number.
        strength: `a`, the standard deviation of full noise, as a part of the way from black to white.
        change: how far the score may move, as a part of what full noise moves it (root mean square).
        cells: of the mask, along the shorter side.
        seed: of the noise.
    """
    at_least("u-noise", "steps", steps, 1)
    at_least("u-noise", "cells", cells, 1)
    if not (2 <= samples <= AT_ONCE and samples % 2 == 0):
        raise MethodError(f"u-noise(samples={samples!r}): give an even number, 2 … {AT_ONCE}.")
    if not 0 < strength < float("inf"):
        raise MethodError(f"u-noise(strength={strength!r}): give more than 0, as 0.5.")
    if not 0 < change < 1:
        raise MethodError(f"u-noise(change={change!r}): give a part of 1, as 0.1.")
    with torch.inference_mode(False), torch.enable_grad():
        probe = probe.exact()  # a search goes on with what rounding has begun
        generator = torch.Generator().manual_seed(seed)
        game = _Game.of(probe, strength, generator)
        if game.reach == 0:
            return torch.zeros(game.given.shape[2:], device=game.given.device)
        return _searched(game, steps, samples, change, cells)


@dataclass(frozen=True)
class _Game:
    """How far noise moves the score."""

    probe: Probe
    given: torch.Tensor
    full: torch.Tensor  # the standard deviation of full noise, `(1, C, 1 …)`
    plain: float
    reach: float
    generator: torch.Generator

    @classmethod
    def of(cls, probe: Probe, strength: float, generator: torch.Generator) -> _Game:
        """Return the game, with full noise tried."""
        given = picture(probe)
        low, high = levels(probe)
        full = strength * (high - low)
        plain = float(probe.scores(given)[0])
        drawn = torch.randn(_DRAWS, *given.shape[1:], generator=generator).to(given)
        moved = probe.scores(given + full * drawn, _DRAWS) - plain
        return cls(probe, given, full, plain, float(moved.square().mean().sqrt()), generator)

    def slope(self, sigma: torch.Tensor, samples: int) -> tuple[float, float, torch.Tensor]:
        """Return the mean squared change of the score, drawn and foretold, and its slope along log σ.

        Full noise changes it by 1. With Δ = m ± v for ε and −ε, m · ∂m/∂log σ is sampled; of v, which a
        linear network has alone, the slope is known, and so is the square.
        """
        noise = self.full * sigma * _drawn(self.given, samples, self.generator)
        noised = (self.given + noise).requires_grad_()
        output = self.probe.run(noised.to(self.probe.inputs.dtype))
        scores = depending(in_full(self.probe.ask(output)), self.probe)
        (gradient,) = torch.autograd.grad(scores.sum(), [noised])
        with torch.no_grad():
            change = (scores.detach() - self.plain) / self.reach
            shape = (-1, *[1] * (noise.dim() - 1))
            mean = (change[: samples // 2] + change[samples // 2 :]).view(shape) / 2
            along = gradient / self.reach * noise
            bent = mean * (along[: samples // 2] + along[samples // 2 :])
            linear = (gradient / self.reach * self.full * sigma).square().mean(0)
            foretold = float(linear.sum() + mean.square().mean())
            slope = (2 * linear + bent.mean(0)).sum(0)
            return float(change.square().mean()), foretold, slope[None, None]


def _drawn(like: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Return noise and its negative, `(count, C, *size)`, the same on every device."""
    half = torch.randn(count // 2, *like.shape[1:], generator=generator)
    return torch.cat([half, -half]).to(like)


def _searched(game: _Game, steps: int, samples: int, change: float, cells: int) -> torch.Tensor:
    size = tuple(game.given.shape[2:])
    start = torch.full((1, 1, *coarse_grid(size, cells)), _START).log()
    logs = start.to(game.given)
    level = math.log(2 * change**2 / logs.numel())  # of the slopes, where noise is neither none nor full
    slopes, drawn, foretold = torch.zeros_like(logs), 0.0, 0.0
    for step in range(steps):
        game.probe.progress(step, steps)
        logs.requires_grad_()
        fine = upsampled(logs, size)
        *moved, slope = game.slope(fine.detach().exp(), samples)
        (here,) = torch.autograd.grad(fine, [logs], slope)
        with torch.no_grad():
            slopes = _MEMORY * slopes + (1 - _MEMORY) * here
            drawn, foretold = _LONG * drawn + moved[0], _LONG * foretold + moved[1]
            now = moved[1] * drawn / foretold if foretold > 0 else 0.0
            level += _LEVEL * max(-1.0, min(1.0, math.log(change**2 / max(now, 1e-12))))
            # A linear score's slope grows with σ²: this would be the step to where it is as it should be.
            known = slopes / (1 - _MEMORY ** (step + 1))
            stride = (level - known.clamp(min=1e-30).log()) / 2
            logs = (logs + stride.clamp(-_STRIDE, _STRIDE)).clamp(math.log(_LEAST), 0)
    game.probe.progress(steps, steps)
    if now**0.5 > _MISSED * change:
        game.probe.note(f"score moves by {100 * now**0.5:.0f} %")
    return 1 - upsampled(logs, size)[0, 0].exp()
