"""Several maps made one: those of a network's stages, on the grid of the finest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from interp.methods.cam import grad_cam_plus_plus
from interp.methods.registry import method

STAGES = 4
_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def enlarged(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return maps `(B, *grid)` on a finer grid, between the centres of their positions linearly."""
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    mode = _MODES[maps.dim() - 1]
    return F.interpolate(maps.unsqueeze(1), tuple(size), mode=mode, align_corners=False).squeeze(1)


def share_of_peak(maps: torch.Tensor) -> torch.Tensor:
    """Return the positive part of each map over its maximum; where there is none, zeros."""
    values = maps.clamp(min=0)
    peak = values.amax(tuple(range(1, maps.dim())), keepdim=True)
    return values / torch.where(peak == 0, 1, peak)


def over_range(maps: torch.Tensor) -> torch.Tensor:
    """Return the positive part of each map, from its minimum to its maximum as 0 to 1; zeros where flat."""
    values = share_of_peak(maps)
    return share_of_peak(values - values.amin(tuple(range(1, maps.dim())), keepdim=True))


def _stacked(scale: Callable[[torch.Tensor], torch.Tensor], maps: Sequence[torch.Tensor]) -> torch.Tensor:
    finest = max((each.shape[1:] for each in maps), key=lambda shape: shape.numel())
    return torch.stack([enlarged(scale(each.float()), finest) for each in maps])


def _refined(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    return over_range(_stacked(over_range, maps).prod(0))


FUSIONS: dict[str, Callable[[Sequence[torch.Tensor]], torch.Tensor]] = {
    "mean": lambda maps: _stacked(share_of_peak, maps).mean(0),
    "max": lambda maps: _stacked(share_of_peak, maps).amax(0),
    "product": lambda maps: _stacked(share_of_peak, maps).prod(0),
    "refine": _refined,
}
"""How maps `(B, *grid)` become one on the finest grid, at least 0 and at most 1."""


@method(
    "refine-cam",
    "RefineCAM",
    family="cam",
    needs="gradients",
    stages=STAGES,
    display="positive",
    formula="Π_s N(relu(L_s)), L_s Grad-CAM++ of stage s, N to 0 … 1, s = 1 … 4",
    paper="Domeniconi et al., How to Evaluate and Refine your CAM, 2026 (arXiv 2605.14641)",
    passes=1.8,
)
def refine_cam(activations: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the product of the stages' Grad-CAM++ maps, each over its own range, and so is the product.

    The same as `grad-cam-plus-plus(fuse="refine")`; there for every other method too. One pass forward and
    one back serve all stages. As of Grad-CAM++, the normalised map depends on the unit of the target.
    """
    maps = [grad_cam_plus_plus(a, g) for a, g in zip(activations, gradients, strict=True)]
    return FUSIONS["refine"](maps)
