"""Deletion and insertion: how fast the score falls, or rises, when the map's places go first."""

from __future__ import annotations

import torch

from interp.methods.perturbing import blurred, replacement
from interp.metrics.registry import metric
from interp.metrics.trial import Curve, Measured, MetricError, Trial

STEPS = 32
SOFT = 5 / 224  # σ of the blur that insertion begins with, in short sides: RISE's 5 pixels


def ordered(heat: torch.Tensor, seed: int) -> torch.Tensor:
    """Return the positions of a map, the strongest first; what is equally strong in random order.

    A map without contrast is then a random order, not the order of reading.

    Args:
        heat: `(*size)`.
        seed: of the order of ties.

    Example:
        >>> ordered(torch.tensor([[0.0, 3.0], [2.0, 1.0]]), seed=0).tolist()
        [1, 2, 3, 0]
    """
    flat = heat.flatten().cpu()
    mixed = torch.randperm(len(flat), generator=torch.Generator().manual_seed(seed))
    return mixed[flat[mixed].argsort(descending=True, stable=True)]


def counts(positions: int, steps: int) -> list[int]:
    """Return how many positions are changed at each of `steps + 1` points, from none to all."""
    steps = min(steps, positions)
    return [round(step * positions / steps) for step in range(steps + 1)]


def curve(trial: Trial, empty: torch.Tensor, order: torch.Tensor, steps: int, *, filling: bool) -> Curve:
    """Return the scores on the way between the trial's picture and an empty one, position by position.

    Args:
        trial: whose picture, network and target.
        empty: `(1, C, *size)`, the other picture.
        order: of the positions.
        steps: on the way.
        filling: whether the way goes from the empty picture to the trial's.
    """
    points = counts(len(order), steps)
    asked = points[:-1] if filling else points[1:]  # what the network says of the whole picture is known
    start, end = (empty, trial.picture) if filling else (trial.picture, empty)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    rank = rank.reshape(trial.size).to(start.device)

    def changed(first: int, last: int) -> torch.Tensor:
        limits = torch.tensor(asked[first:last], device=rank.device)
        gone = rank < limits.view(-1, 1, *[1] * rank.dim())
        return torch.where(gone, end, start)

    found = trial.scores(len(asked), changed).tolist()
    scores = [*found, trial.whole] if filling else [trial.whole, *found]
    return Curve(tuple(point / len(order) for point in points), tuple(scores))


@metric(
    "deletion",
    "Deletion",
    kind="faithfulness",
    better="lower",
    limits=(0, 1),
    formula="∫ p(x without its strongest part r) dr",
    paper="Petsiuk et al., RISE, BMVC 2018",
    silent="Pictures with holes are like nothing in the training set; part of the fall is surprise.",
    passes=lambda options: options["steps"],
)
def deletion(trial: Trial, *, steps: int = STEPS, baseline: str = "zero", seed: int = 0) -> Measured:
    """Return the area under the probability while the strongest positions are taken away first.

    RISE takes 224 positions at a time, which is `steps=224` for a picture of 224 pixels.

    Args:
        trial: the map.
        steps: at how many points, besides the whole picture, the network is asked.
        baseline: what stands where something was: `zero` of the normalised input, `mean`, `blur`, `black` or
            `white`.
        seed: of the order of positions that are equally strong.
    """
    _check(steps, "deletion")
    empty = replacement(trial.probe, baseline, "deletion")
    found = curve(trial, empty, ordered(trial.heat, seed), steps, filling=False)
    return Measured(found.area, curves={"deletion": found})


@metric(
    "insertion",
    "Insertion",
    kind="faithfulness",
    better="higher",
    limits=(0, 1),
    formula="∫ p(blurred x with the strongest part r of x) dr",
    paper="Petsiuk et al., RISE, BMVC 2018",
    silent="A blurred picture already tells much; large objects are easier to insert than small ones.",
    passes=lambda options: options["steps"],
)
def insertion(trial: Trial, *, steps: int = STEPS, baseline: str = "soft", seed: int = 0) -> Measured:
    """Return the area under the probability while the strongest positions come first into a blurred picture.

    Args:
        trial: the map.
        steps: at how many points, besides the empty picture, the network is asked.
        baseline: what is there at first: `soft`, RISE's blur of 5 pixels in 224; or as in deletion.
        seed: of the order of positions that are equally strong.
    """
    _check(steps, "insertion")
    given = trial.picture
    if baseline == "soft":
        empty = blurred(given, SOFT * min(trial.size))
    else:
        empty = replacement(trial.probe, baseline, "insertion")
    found = curve(trial, empty, ordered(trial.heat, seed), steps, filling=True)
    return Measured(found.area, curves={"insertion": found})


def _check(steps: int, name: str) -> None:
    if steps < 1:
        raise MetricError(f"{name}(steps={steps}): give 1 or more.")
