"""Context: how much of the evidence for a region lies outside of it. Arrays in, numbers out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from interp.dense import RegionTarget
from interp.logits import SumTarget
from interp.places import PlaceError
from interp.regions import Mask, as_numbers
from interp.regions import border as border_of

Evidence = Literal["positive", "absolute", "above"]

# Of the largest value: less is float32 rounding and no evidence, as in `interp.views.Scale`.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Context:
    """How much of a map's evidence lies outside a region, beside what chance would put there.

    Attributes:
        ratio: the share of the evidence outside the region, 0 … 1; `None` where there is no evidence.
        area: the share of the area outside: the ratio of a map that is the same everywhere.
        least: the lowest ratio that any map on this grid has. Above 0 where no cell of the map lies wholly in
            the region; a ratio near it says that the grid is coarse, and nothing of the network.
        beyond: the share of the evidence outside the region and a ring around it; `None` as above.
        beyond_area: the same of the area.
        ring: how wide the ring is, in positions of the region.
        evidence: what counted: the "positive" values, the "absolute" ones, or all "above" the lowest.
    """

    ratio: float | None
    area: float
    least: float
    beyond: float | None
    beyond_area: float
    ring: int
    evidence: Evidence

    @property
    def words(self) -> str:
        """The same in words.

        Example:
            >>> context_ratio([[0.0, 1.0, 3.0]], [[False, False, True]]).words
            '25 % of the evidence outside the region (of the area 67 %), 0 % beyond 1 px (33 %)'
        """
        if self.ratio is None or self.beyond is None:
            return "no positive evidence" if self.evidence == "positive" else "no evidence"
        least = f", at least {_percent(self.least)} on this grid" if self.least >= 0.005 else ""
        return (
            f"{_percent(self.ratio)} of the evidence outside the region (of the area {_percent(self.area)}"
            f"{least}), {_percent(self.beyond)} beyond {self.ring} px ({_percent(self.beyond_area)})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"


def context_ratio(
    map: npt.ArrayLike | torch.Tensor,
    region: npt.ArrayLike | torch.Tensor,
    *,
    evidence: Evidence = "positive",
    ring: int | None = None,
) -> Context:
    """Return how much of a map's evidence lies outside a region: `Σ_p E_p (1 − f_p) / Σ_p E_p`.

    `E` is the evidence in the cells of the map, `f` the part of each cell that lies in the region, exactly:
    map and region cover the same and may have different grids. Nothing is enlarged or smoothed, which would
    carry evidence over the border. Yet a cell is the smallest thing that a map knows. What falls into a cell
    that the border crosses counts in part as outside, wherever in the cell it was. So a second number leaves
    out a ring around the region: as wide as a cell, by default, it holds the rest of every cell that the
    region touches.

    The ratio says where the map has its evidence, and not what the network needs: a deep layer may hold at
    the region what came from afar. Compare it with `area`, which is what chance gives, and never across grids
    or methods.

    Args:
        map: `(h, w)`, raw.
        region: `(H, W)`, of which 0 is outside; an array or a tensor.
        evidence: "positive": values above 0; "absolute": sizes of all values; "above": values above the
            lowest, for maps whose 0 means nothing.
        ring: how many positions of the region the ring is wide; default: a cell of the map.

    Raises:
        PlaceError: the map has not two dimensions, the region is empty or no mask, or there is no such
            evidence or ring.

    Example:
        >>> found = interp.context_ratio([[0.0, 1.0, 3.0]], [[False, False, True]])
        >>> found.ratio, round(found.area, 2), found.beyond
        (0.25, 0.67, 0.0)
    """
    values = _evidence(map, evidence)
    inside: Mask = as_numbers(region, "the region") != 0
    if not inside.any():
        raise PlaceError("the region is empty, so there is no inside and no outside.")
    if ring is None:
        ring = max(-(-many // cells) for many, cells in zip(inside.shape, values.shape, strict=True))
    if type(ring) is not int or ring < 0:
        raise PlaceError(f"a ring of the width {ring!r} is none: give 0 or more positions.")
    wide = inside | border_of(inside, "outer", ring) if ring else inside
    outside, beyond = (1 - covered(mask, values.shape) for mask in (inside, wide))
    total = float(values.sum())
    shares = [float((values * part).sum()) / total if total > 0 else None for part in (outside, beyond)]
    areas = [float(part.mean()) for part in (outside, beyond)]
    return Context(shares[0], areas[0], float(outside.min()), shares[1], areas[1], ring, evidence)


def _evidence(map: npt.ArrayLike | torch.Tensor, kind: Evidence) -> npt.NDArray[np.float64]:
    """Return what counts of each value: nothing where that is rounding, or where values are not finite."""
    if kind not in get_args(Evidence):
        raise PlaceError(f"the evidence {kind!r} is none: give {', '.join(get_args(Evidence))}.")
    given = map.detach().cpu().float().numpy() if isinstance(map, torch.Tensor) else map
    values = np.asarray(given, np.float64)
    if values.ndim != 2 or not values.size:
        raise PlaceError(f"the map has the shape {values.shape}; give one of (height, width).")
    if not np.isfinite(values).all():
        return np.zeros_like(values)
    counted = np.abs(values)
    if kind != "absolute":
        counted = values.clip(min=0) if kind == "positive" else values - values.min()
    return counted if counted.max() > _ROUNDING * np.abs(values).max() else np.zeros_like(values)


def covered(region: Mask, grid: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return which part of each cell of a grid a region covers, `(h, w)`, 0 … 1, whatever the two sizes.

    Example:
        >>> covered(np.array([[True, True, False]]), (1, 2)).tolist()
        [[1.0, 0.3333333333333333]]
    """
    rows, columns = (_overlaps(cells, many) for cells, many in zip(grid, region.shape, strict=True))
    found = rows @ region.astype(np.float64) @ columns.T
    return np.asarray(found.clip(0, 1))


def _overlaps(cells: int, many: int) -> npt.NDArray[np.float64]:
    """Return of each cell the parts that lie in each of `many` positions, `(cells, many)`; rows sum to 1."""
    ends, other = np.arange(cells + 1) * many, np.arange(many + 1) * cells  # in 1 / (cells · many)
    low, high = np.maximum(ends[:-1, None], other[None, :-1]), np.minimum(ends[1:, None], other[None, 1:])
    return np.asarray((high - low).clip(min=0) / many)


def region_of(target: Any) -> torch.Tensor | None:
    """Return the region that a target asks about, bool `(H, W)`: of a sum that of all its terms together.

    `None` where the target, or a term of it, is about no region.
    """
    if isinstance(target, RegionTarget):
        return target.region
    if not isinstance(target, SumTarget):
        return None
    regions = [region_of(term) for _, term in target.terms]
    found = [region for region in regions if region is not None]
    if not found or len(found) < len(regions) or any(each.shape != found[0].shape for each in found):
        return None
    return torch.stack([each.to(found[0].device) for each in found]).any(0)


def regions_of(target: Any) -> list[Mask]:
    """Return the regions that a target asks about and that are no pixel and no box, each once.

    Example:
        >>> regions_of(targets.LogitTarget(((1, 1.0),), "one"))
        []
    """
    found: list[Mask] = []
    for _, term in target.terms if isinstance(target, SumTarget) else ((1.0, target),):
        if not isinstance(term, RegionTarget) or term.place is not None:
            continue
        region = term.region.cpu().numpy()
        if not any(np.array_equal(region, other) for other in found):
            found.append(region)
    return found
