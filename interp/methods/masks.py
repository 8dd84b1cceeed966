"""Extremal perturbations: the smooth mask of a given area through which the score is largest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from interp.methods.perturbing import Baseline, at_least, depending, picture, replacement, upsampled
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError
from interp.precision import in_full

# Of the paper's code, but for the reward, which is divided by its range here, and so the area's weight.
_CELLS = 32  # of the mask along the shorter side: 7 pixels each at 224
_SIGMA = 3  # cells
_COLDNESS = 20.0  # of the smooth maximum
_AREA_WEIGHT = 0.5  # over the area: in the first steps a cell is pulled as hard as the score lifts it
_AREA_GROWTH = 30.0  # how much heavier the area weighs in the last step than in the first
_RATE = 1.0  # for each cell, divided by the number of steps, from 50 on
_MOMENTUM = 0.9
_MISSES = 0.1  # of the area, from where on it is said


def _passes(options: Mapping[str, Any]) -> float:
    return float(2 * options["steps"] + 3)  # the way back to the input alone costs one forward pass


@method(
    "extremal-perturbation",
    "Extremal perturbation",
    family="perturbation",
    needs="probe",
    place="input",
    display="positive",
    formula="argmax_m s(m ⊙ x + (1 − m) ⊙ blur(x)), m smooth, from 0 to 1, mean(m) ≈ area",
    paper="Fong, Patrick & Vedaldi, Extremal Perturbations and Smooth Masks, ICCV 2019",
    passes=_passes,
)
def extremal_perturbation(
    probe: Probe,
    *,
    area: float = 0.1,
    steps: int = 200,
    variant: str = "preserve",
    baseline: Baseline = "blur",
) -> torch.Tensor:
    """Return the smooth mask of a given area that keeps the score highest, found by gradient ascent.

    The mask is the smooth maximum of bumps, and its area is held by ranking: its sorted values are drawn
    towards zeros and ones in the right proportion, ever harder. The score is divided by the largest
    difference from the empty picture seen so far, so that the mask does not depend on the unit of the score,
    as it does in the paper. Nothing is random. A note says what the area is where it is missed by a tenth, as
    after few steps. Where the score does not react at all, the map is 0.

    Args:
        probe: of one picture.
        area: the part of the picture that the mask may keep.
        steps: of the ascent, each a forward and a backward pass.
        variant: `preserve` keeps what the mask covers and wants a high score; `delete` takes it away and
            wants a low one.
        baseline: what stands elsewhere: a `blur` of the picture, its `mean` colour, `zero`, `black` or
            `white`.
    """
    at_least("extremal-perturbation", "steps", steps, 1)
    if not 0 < area < 1:
        raise MethodError(f"extremal-perturbation(area={area!r}): give a part of the picture, as 0.1.")
    if variant not in ("preserve", "delete"):
        raise MethodError(f"extremal-perturbation(variant={variant!r}): give preserve or delete.")
    with torch.inference_mode(False), torch.enable_grad():
        probe = probe.exact()  # an ascent goes on with what rounding has begun
        given = picture(probe)
        instead = replacement(probe, baseline, "extremal-perturbation").detach()
        whole, empty = (float(probe.scores(one)[0]) for one in (given, instead))
        game = _Game(probe, given, instead, empty, deletes=variant == "delete")
        found = _ascent(game, abs(whole - empty), area, steps)
    covered = float(found.mean())
    if found.any() and abs(covered - area) > _MISSES * area:
        probe.note(f"area {covered:.2g}")
    return found


@dataclass(frozen=True)
class _Game:
    """What a mask is worth."""

    probe: Probe
    given: torch.Tensor
    instead: torch.Tensor
    empty: float
    deletes: bool

    def score(self, mask: torch.Tensor) -> torch.Tensor:
        """Return how far the score is above that of the empty picture."""
        kept = 1 - mask if self.deletes else mask
        mixed = self.instead + kept * (self.given - self.instead)
        output = self.probe.run(mixed.to(self.probe.inputs.dtype))
        return depending(in_full(self.probe.ask(output)), self.probe)[0] - self.empty


def _ascent(game: _Game, reach: float, area: float, steps: int) -> torch.Tensor:
    size = tuple(game.given.shape[2:])
    bumps = _Bumps(size, game.given)
    values, speed = torch.ones_like(bumps.template), torch.zeros_like(bumps.template)
    rate, reacts = _RATE * values.numel() / max(steps, 50), False
    for step in range(steps):
        game.probe.progress(step, steps)
        values = values.detach().requires_grad_()
        coarse = bumps.smooth(values)
        score = game.score(upsampled(coarse, size).clamp(0, 1))
        reach = max(reach, abs(float(score.detach())))
        weight = _AREA_WEIGHT / area * _AREA_GROWTH ** (step / steps)
        gain = score / reach if reach > 0 else 0 * score
        if game.deletes:
            gain = -gain
        (slope,) = torch.autograd.grad(gain, [values], retain_graph=True)
        (pull,) = torch.autograd.grad(weight * _off_area(coarse, area), [values])
        reacts = reacts or bool(slope.any())
        speed = _MOMENTUM * speed + (1 - _MOMENTUM) * (slope - pull)
        values = (values.detach() + rate * speed).clamp(0, 1)
    game.probe.progress(steps, steps)
    with torch.no_grad():
        found = upsampled(bumps.smooth(values), size)[0, 0].clamp(0, 1)
        return found if reacts else torch.zeros_like(found)


def _off_area(mask: torch.Tensor, area: float) -> torch.Tensor:
    """Return how far the sorted values are from zeros and ones in the right proportion."""
    ranked = mask.flatten().sort().values
    wanted = torch.arange(len(ranked), device=mask.device) >= (1 - area) * len(ranked)
    return (ranked - wanted.to(ranked)).square().mean()


def coarse_grid(size: tuple[int, ...], cells: int) -> list[int]:
    """Return a coarse grid over an input: square cells, about so many along the shorter side."""
    cell = max(1, min(size) // cells)
    return [max(1, round(side / cell)) for side in size]


class _Bumps:
    """Masks on a coarse grid as the smooth maximum of bumps around its cells."""

    def __init__(self, size: tuple[int, ...], like: torch.Tensor) -> None:
        shape = coarse_grid(size, _CELLS)
        sigma = min(float(_SIGMA), min(shape) / 10)
        radius = int(1.5 * sigma)
        offsets = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
        squares = sum(
            offsets.square().reshape([-1 if side == own else 1 for side in range(len(size))])
            for own in range(len(size))
        )
        distance = torch.as_tensor(squares).sqrt() / sigma
        self.kernel = torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2).flatten()
        self.radius = radius
        # Bumps around cells beyond the border, too: else a mask along the border would be cheaper.
        wide = [side + 2 * radius for side in shape]
        self.template = torch.ones(1, 1, *wide, device=like.device, dtype=like.dtype)

    def smooth(self, values: torch.Tensor) -> torch.Tensor:
        """Return `(1, 1, *grid)`: at each cell the smooth maximum of its neighbours times their bumps."""
        near = values
        for side in range(2, values.dim()):
            near = near.unfold(side, 2 * self.radius + 1, 1)
        near = near.flatten(values.dim()) * self.kernel
        return (near * (_COLDNESS * near).softmax(-1)).sum(-1)
