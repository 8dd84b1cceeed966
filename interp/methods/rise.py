"""RISE: the mean score of what random masks leave of the picture, position by position."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from interp.methods.perturbing import at_least, at_once, picture, scored, upsampled
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError


@method(
    "rise",
    "RISE",
    family="perturbation",
    needs="probe",
    place="input",
    display="range",
    formula="Σ_i s(x ⊙ M_i) M_i / (N·p), M_i random masks of mean p",
    paper="Petsiuk et al., RISE: Randomized Input Sampling for Explanation, BMVC 2018",
    passes=lambda options: float(options["masks"]),
)
def rise(
    probe: Probe,
    *,
    masks: int = 4000,
    cells: int = 7,
    keep: float = 0.5,
    paired: bool = False,
    seed: int = 0,
) -> torch.Tensor:
    """Return the expected score given that a position is kept, `E[s(x ⊙ M) M] / p`, without bias.

    A mask is a grid of cells, each kept with probability `p`, enlarged bilinearly and shifted at random by
    less than a cell. The estimate is `mean(s) + cov(s, M) / p` with the unbiased covariance: the same
    expectation as the paper's sum, without the noise that the score's mean brings into it, which on a
    network that hardly reacts is all that the sum shows. The masks depend on the seed and the picture's size
    only. The score is the target's own, a logit, where the paper takes a probability.

    Args:
        probe: of one picture.
        masks: how many; the noise falls with the square root.
        cells: of the grid along the picture's shorter side.
        keep: the probability `p`.
        paired: let every second mask be the one before with its cells inverted (antithetic sampling, not in
            the paper): what two opposite masks score alike then cancels. For `keep=0.5`.
        seed: of the masks.
    """
    at_least("rise", "masks", masks, 2)
    at_least("rise", "cells", cells, 1)
    if not 0 < keep < 1:
        raise MethodError(f"rise(keep={keep!r}): give a probability between 0 and 1.")
    if paired and keep != 0.5:
        raise MethodError(f"rise(keep={keep!r}, paired=True): inverted masks keep as much only for 0.5.")
    if paired and masks % 2:
        raise MethodError(f"rise(masks={masks}, paired=True): pairs need an even number of masks.")
    given = picture(probe)
    size = tuple(given.shape[2:])
    drawn = _drawn(masks, size, cells, keep, seed, paired=paired)
    total = torch.zeros((), dtype=torch.float64)
    mean, product = torch.zeros(2, *size, dtype=torch.float64)
    for start in range(0, masks, step := at_once(given)):
        some = drawn.masks(start, start + step)
        scores = scored(probe, len(some), _masking(given, some), before=start, total=masks, alike=True)
        scores = scores.cpu().double()
        total += scores.sum()
        mean += some.double().sum((0, 1))
        product += torch.einsum("n,n...->...", scores, some[:, 0].double())
    # The mean of inverted pairs is exact, not estimated: no degree of freedom is lost to it.
    covariance: torch.Tensor = (product - total / masks * mean) / (masks if paired else masks - 1)
    return total / masks + covariance / keep


def _masking(given: torch.Tensor, masks: torch.Tensor) -> Callable[[int, int], torch.Tensor]:
    return lambda start, stop: given * masks[start:stop].to(given)


@dataclass(frozen=True)
class _Drawn:
    """Random masks before they are enlarged: all at once, so that they do not depend on the device."""

    grids: torch.Tensor
    shifts: torch.Tensor
    cell: int
    size: tuple[int, ...]

    def masks(self, start: int, stop: int) -> torch.Tensor:
        """Return some of the masks, `(n, 1, *size)`."""
        grids = self.grids[start:stop]
        large = upsampled(grids, tuple(side * self.cell for side in grids.shape[2:]))
        cut = []
        for one, shift in zip(large, self.shifts[start:stop].tolist(), strict=True):
            cut.append(one[(..., *[slice(at, at + side) for at, side in zip(shift, self.size, strict=True)])])
        return torch.stack(cut)


def _drawn(count: int, size: tuple[int, ...], cells: int, keep: float, seed: int, *, paired: bool) -> _Drawn:
    """Draw masks whose mean at every position is `keep`: one cell more than fits, for the shift."""
    generator = torch.Generator().manual_seed(seed)
    cell = math.ceil(min(size) / cells)
    shape = [math.ceil(side / cell) + 1 for side in size]
    own = count // 2 if paired else count
    grids = (torch.rand(own, 1, *shape, generator=generator) < keep).float()
    shifts = torch.randint(0, cell, (own, len(size)), generator=generator)
    if paired:
        grids = torch.stack([grids, 1 - grids], 1).flatten(0, 1)
        shifts = shifts.repeat_interleave(2, 0)
    return _Drawn(grids, shifts, cell, size)
