"""Is the place of the map what counts? The same map, put elsewhere, should do worse."""

from __future__ import annotations

import torch

from interp.methods.perturbing import blurred
from interp.metrics.curves import SOFT, ordered
from interp.metrics.registry import metric
from interp.metrics.trial import Measured, MetricError, Trial

PARTS = (0.1, 0.3)  # of the picture: what is shown at first sight, and what is shown at all
_NEAREST = 1 / 4  # of a side: a copy that is moved less still covers the same object
_ROUNDING = 1e-5


@metric(
    "displaced",
    "Beside displaced copies",
    kind="faithfulness",
    better="higher",
    limits=(0, 1),
    formula="share of k with s(E) > s(E moved by d_k), s = mean_r p(only part r of x) − p(x without it)",
    paper="interp 2026",
    silent="A spot in the middle beats its copies too where photographers put things in the middle.",
    passes=lambda options: 2 * len(PARTS) * (options["copies"] + 1),
)
def displaced(trial: Trial, *, copies: int = 11, seed: int = 0) -> Measured:
    """Return how many copies of the map, each moved elsewhere, tell less of the score than the map does.

    A copy has the same values, as coherent and as many, so only the place differs. What leaves the picture on
    one side comes in on the other. Copies that tell as much count half; a flat map gets 1/2.

    Args:
        trial: the map.
        copies: how many.
        seed: of where they are put, and of the order of positions that are equally strong.
    """
    if copies < 1:
        raise MetricError(f"displaced(copies={copies}): give 1 or more.")
    given = trial.picture
    empty = blurred(given, SOFT * min(trial.size))
    heat = trial.heat
    moved = [heat, *(heat.roll(by, tuple(range(heat.dim()))) for by in _moves(trial.size, copies, seed))]
    ranks = [_rank(each, seed) for each in moved]
    jobs = [(rank, part, end) for rank in ranks for part in PARTS for end in ((given, empty), (empty, given))]

    def changed(start: int, stop: int) -> torch.Tensor:
        return torch.cat([_changed(*job) for job in jobs[start:stop]])

    alone, without = trial.scores(len(jobs), changed).reshape(len(moved), len(PARTS), 2).mean(1).T
    told = alone - without
    gaps = told[0] - told[1:]
    # Equal pictures differ by rounding where they stand elsewhere in a batch.
    alike = gaps.abs() <= _ROUNDING * told.abs().max()
    return Measured(float(torch.where(alike, 0.5, (gaps > 0).double()).mean()), chance=0.5)


def _moves(size: tuple[int, ...], copies: int, seed: int) -> list[tuple[int, ...]]:
    """Return how far each copy is moved along each side, and far enough along one of them."""
    generator = torch.Generator().manual_seed(seed)
    found: list[tuple[int, ...]] = []
    while len(found) < copies:
        shares = torch.rand(len(size), generator=generator)
        # The distance on a ring: 0.9 of a side is 0.1 the other way.
        if float(torch.minimum(shares, 1 - shares).max()) >= _NEAREST:
            found.append(tuple(int(share * side) for share, side in zip(shares.tolist(), size, strict=True)))
    return found


def _rank(heat: torch.Tensor, seed: int) -> torch.Tensor:
    order = ordered(heat, seed)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    return rank.reshape(heat.shape)


def _changed(rank: torch.Tensor, part: float, ends: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return the strongest part of one picture, and the rest of another."""
    strongest = (rank < round(part * rank.numel())).to(ends[0].device)
    return torch.where(strongest, *ends)
