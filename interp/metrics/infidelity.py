"""Infidelity: how well the map, read as a sum, foretells what random changes of the picture do."""

from __future__ import annotations

from typing import Any

import torch

from interp.metrics.registry import metric
from interp.metrics.trial import Measured, MetricError, Trial


@metric(
    "infidelity",
    "Infidelity",
    kind="faithfulness",
    better="lower",
    limits=(0, float("inf")),
    formula="min_β E[(β Iᵀφ − (s(x) − s(x − I)))²] / E[(s(x) − s(x − I))²], I random squares of x",
    paper="Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019",
    silent="Maps of late layers are coarse sums; what two squares do together no sum can foretell.",
    passes=lambda options: options["samples"],
)
def infidelity(trial: Trial, *, samples: int = 64, side: float = 0.25, seed: int = 0) -> Measured:
    """Return how much of what happens the map does not foretell, at the best scale; 1 is a map of zeros.

    A square of the input becomes 0, its mean colour, and `Iᵀφ` is the map's sum over the square: the map
    stands for what a place is worth, not for its slope, as CAMs and input × gradient do. The score is the
    target's own.

    Args:
        trial: the map.
        samples: how many squares.
        side: of a square, in short sides of the picture.
        seed: of where they are.
    """
    if samples < 2:
        raise MetricError(f"infidelity(samples={samples}): give 2 or more.")
    if not 0 < side <= 1:
        raise MetricError(f"infidelity(side={side!r}): give a part of the picture's side, more than 0.")
    given, size = trial.picture, trial.size
    length = max(1, round(side * min(size)))
    generator = torch.Generator().manual_seed(seed)
    corners = [torch.randint(0, full - length + 1, (samples,), generator=generator) for full in size]
    places: list[tuple[Any, ...]] = [
        (..., *(slice(int(corner[k]), int(corner[k]) + length) for corner in corners)) for k in range(samples)
    ]

    def without(start: int, stop: int) -> torch.Tensor:
        changed = given.repeat(stop - start, *[1] * (given.dim() - 1))
        for row, place in enumerate(places[start:stop]):
            changed[row][place] = 0
        return changed

    lost = trial.probe.score - trial.raw_scores(samples, without)
    foretold = torch.stack([trial.heat[place].double().sum() for place in places]).cpu()
    return _missed(foretold, lost)


def _missed(foretold: torch.Tensor, lost: torch.Tensor) -> Measured:
    """Return the share of `lost²` that the best multiple of `foretold` leaves."""
    happened = float((lost**2).mean())
    if happened == 0:
        return Measured(float("nan"), note="no change of the picture changes the score")
    power = float((foretold**2).mean())
    scale = float((foretold * lost).mean()) / power if power > 0 else 0.0
    return Measured(float(((scale * foretold - lost) ** 2).mean()) / happened, chance=1.0)
