"""What units of a generator cause: concepts in the picture with them on, against them off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from interp.features.errors import FeatureError
from interp.features.generator_units import GeneratorDissection
from interp.features.unit_changes import changed, sample_numbers
from interp.progress import Progress, part_of


@dataclass(frozen=True)
class UnitEffect:
    """What some units cause, by concept.

    Attributes:
        layer: as resolved.
        units: which.
        effects: δ, the mean share of the place that shows the concept with the units on, minus with them off.
        inserted: that share with the units on.
        ablated: that share with the units off.
        samples: how many pictures, at one random place each.
    """

    layer: str
    units: tuple[int, ...]
    effects: Mapping[str, float]
    inserted: Mapping[str, float]
    ablated: Mapping[str, float]
    samples: int


def unit_effect(
    found: GeneratorDissection,
    units: Sequence[int],
    *,
    side: float = 0.25,
    samples: int | Sequence[int] = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> UnitEffect:
    """Return what units cause: their average causal effect on every concept.

    `δ_c = E[s_c(x_i)] − E[s_c(x_a)]`, x_i with the units inserted (the mean of their top 1 %) at a random
    place, x_a with them zeroed there; s_c is the share of the place that shows c. (Bau et al.: "GAN
    Dissection", ICLR 2019.)

    Args:
        found: as of `ablate_units`.
        units: which.
        side: of the place, as a fraction of the picture's.
        samples: the first so many, or which; one place in each.
        seed: of the places.
        progress: is told (done, all) after each batch.

    Raises:
        FeatureError: no such unit or sample, or a side that is not above 0 and at most 1.

    Example:
        >>> found = dissect_generator(interp.load("runs/noise/generator"), "3")
        >>> unit_effect(found, found.ranked("bright")[:4]).effects["bright"]
    """
    if not 0 < side <= 1:
        raise FeatureError(f"side={side}: give a part of the picture, above 0 and at most 1.")
    chosen = sample_numbers(found, samples)
    corners = torch.rand(len(chosen), 2, generator=torch.Generator().manual_seed(seed)) * (1 - side)
    places = [(x, y, min(x + side, 1.0), min(y + side, 1.0)) for x, y in corners.tolist()]

    on = changed("inserted", found, units, "high", places, chosen, progress and part_of(progress, 0, 2))
    off = changed("ablated", found, units, "zero", places, chosen, progress and part_of(progress, 1, 2))
    shares = [
        {name: float(areas.mean()) for name, areas in change.areas_after.items()} for change in (on, off)
    ]
    inserted, ablated = ({name: one.get(name, 0.0) for name in shares[0] | shares[1]} for one in shares)
    effects = {name: inserted[name] - ablated[name] for name in inserted}
    return UnitEffect(found.layer, on.units, effects, inserted, ablated, len(chosen))
