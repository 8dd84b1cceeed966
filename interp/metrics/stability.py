"""Whether the map stays when nothing that matters has changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from interp.dense import RegionTarget
from interp.logits import LogitTarget
from interp.methods.registry import get as get_method
from interp.metrics.likeness import rank_correlation
from interp.metrics.registry import metric
from interp.metrics.trial import Measured, MetricError, Trial
from interp.targets import Target

_SHIFT = 8 / 224


@metric(
    "max-sensitivity",
    "Max-sensitivity",
    kind="stability",
    better="lower",
    limits=(0, math.inf),
    formula="max_n ‖φ(x + δ_n) − φ(x)‖ / ‖φ(x)‖, δ_n uniform, at most r",
    paper="Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019",
    silent="A map that never changes is perfectly stable, whatever it shows.",
    maps=lambda options: options["samples"],
)
def max_sensitivity(trial: Trial, *, radius: float = 0.02, samples: int = 10, seed: int = 0) -> Measured:
    """Return by how much of its own size the raw map changes under small noise, at most.

    Args:
        trial: the map.
        radius: of the noise, on the normalised input.
        samples: of the noise.
        seed: of the noise.
    """
    if samples < 1:
        raise MetricError(f"max-sensitivity(samples={samples}): give 1 or more.")
    if not radius > 0:
        raise MetricError(f"max-sensitivity(radius={radius!r}): give more than 0.")
    given = trial.picture
    noise = torch.rand(samples, *given.shape[1:], generator=torch.Generator().manual_seed(seed))
    found = trial.again(given + radius * (2 * noise - 1).to(given))
    here = trial.map.float().cpu()
    size = float(here.norm())
    if size == 0:
        return Measured(math.nan, note="the map is 0 everywhere")
    return Measured(float((found - here).flatten(1).norm(dim=1).max()) / size)


@metric(
    "flip-agreement",
    "Agreement under a flip",
    kind="stability",
    better="higher",
    limits=(-1, 1),
    formula="ρ(E(x), flip(E(flip(x)))), ρ the rank correlation",
    paper="interp 2026",
    silent="A network that really tells left from right may rightly have another map.",
    maps=1,
)
def flip_agreement(trial: Trial) -> Measured:
    """Return how alike the map is to the one of the mirrored picture, mirrored back."""
    target = _moved(trial, "flip-agreement", lambda region: region.flip(-1))
    (found,) = trial.again(trial.picture.flip(-1), target)
    return _agreement(trial.map.float().cpu(), found.flip(-1))


@metric(
    "shift-agreement",
    "Agreement under shifts",
    kind="stability",
    better="higher",
    limits=(-1, 1),
    formula="mean_d ρ(E(x), E(x shifted by d) shifted back), where both are seen",
    paper="interp 2026",
    silent="The grid of a late layer is coarse; a shift of less than a cell moves its map in steps.",
    maps=4,
)
def shift_agreement(trial: Trial, *, by: float = _SHIFT) -> Measured:
    """Return how alike the map is to those of the picture moved a little in four directions.

    Args:
        trial: the map; of a picture with two sides.
        by: how far, in pixels where it is 1 or more, else in short sides; the border is repeated.
    """
    pixels = round(by) if by >= 1 else max(1, round(by * min(trial.size)))
    if len(trial.size) != 2 or not by > 0 or pixels >= min(trial.size):
        raise MetricError(f"shift-agreement(by={by!r}): give more than 0, and less than a picture's side.")
    found = []
    for dim, way in ((-1, pixels), (-1, -pixels), (-2, pixels), (-2, -pixels)):
        target = _moved(trial, "shift-agreement", partial(torch.roll, shifts=way, dims=dim))
        (other,) = trial.again(_shifted(trial.picture, way, dim), target)
        both = [_common(trial.heat.cpu(), 0, way, dim), _common(trial.on_picture(other), way, way, dim)]
        found.append(_agreement(*both).value)
    return Measured(sum(found) / len(found))


@metric(
    "seed-agreement",
    "Agreement across seeds",
    kind="stability",
    better="higher",
    limits=(-1, 1),
    formula="mean_k ρ(E with seed 0, E with seed k)",
    paper="interp 2026",
    silent="Says how much is chance, not whether the rest is right.",
    maps=lambda options: options["seeds"],
)
def seed_agreement(trial: Trial, *, seeds: int = 2) -> Measured:
    """Return how alike the map is to those of other seeds; 1 for methods that use no chance.

    Args:
        trial: the map.
        seeds: how many others.
    """
    if seeds < 1:
        raise MetricError(f"seed-agreement(seeds={seeds}): give 1 or more.")
    if "seed" not in trial.method.options:
        return Measured(1.0)
    first = trial.method.options["seed"]
    found = []
    for seed in range(first + 1, first + 1 + seeds):
        other = replace(trial, method=get_method(trial.method.name, seed=seed)).again(trial.picture)
        found.append(_agreement(trial.map.float().cpu(), other[0]).value)
    return Measured(sum(found) / len(found))


def _agreement(one: torch.Tensor, other: torch.Tensor) -> Measured:
    return Measured(rank_correlation(one, other), chance=0.0)


def _moved(trial: Trial, name: str, move: Callable[[torch.Tensor], torch.Tensor]) -> Target:
    """Return the target of the moved picture."""
    target = trial.probe.target
    if isinstance(target, LogitTarget) and trial.probe.output.dim() == 2:
        return target
    if isinstance(target, RegionTarget):
        return replace(target, region=move(target.region), place=None, predicted=False)
    raise MetricError(f"{name} cannot move what {target.name!r} asks for; give a class or a region.")


def _shifted(picture: torch.Tensor, by: int, dim: int) -> torch.Tensor:
    """Return a picture moved by some positions, its border repeated."""
    side = picture.shape[dim]
    places = (torch.arange(side) - by).clamp(0, side - 1).to(picture.device)
    return picture.index_select(dim, places)


def _common(map: torch.Tensor, start: int, by: int, dim: int) -> torch.Tensor:
    """Return the part of a map that is seen before and after a shift; `start`: how far this map has moved."""
    side = map.shape[dim]
    first = max(0, -by) + start
    return map.narrow(dim, first, side - abs(by))
