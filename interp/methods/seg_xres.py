"""Seg-XRes-CAM: between Grad-CAM, which averages gradients over the map, and HiResCAM, which does not."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from interp.methods.cam import grid_of, hires_cam
from interp.methods.registry import method
from interp.methods.spelling import MethodError

_POOLS = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


@method(
    "seg-xres-cam",
    "Seg-XRes-CAM",
    family="cam",
    needs="gradients",
    display="positive",
    formula="relu(Σ_k ↑mean_W(g_k) ⊙ A_k)",
    paper="Hasany et al., Seg-XRes-CAM, CVPR Workshops 2023",
)
def seg_xres_cam(activation: torch.Tensor, gradient: torch.Tensor, *, window: int = 2) -> torch.Tensor:
    """Return `Σ_k ↑mean_W(g_k) ⊙ A_k`: gradients averaged in windows of the grid, then enlarged back.

    A window of 1 is HiResCAM (Seg-HiRes-CAM where the target is a region); one as large as the map is
    Grad-CAM (Seg-Grad-CAM). The larger it is, the less the map keeps to the region that was asked about.
    Windows begin at the first corner; those that the border cuts average what they have.
    """
    if window < 1:
        raise MethodError(f"seg-xres-cam(window={window}): give 1 or more; 1 is HiResCAM.")
    return hires_cam(activation, _in_windows(gradient, window))


def _in_windows(values: torch.Tensor, window: int) -> torch.Tensor:
    """Return `(B, C, *grid)` with each value replaced by the mean of its window."""
    grid = values.shape[2:]
    if window == 1:
        return values
    if window >= max(grid):
        return values.mean(grid_of(values), keepdim=True).expand_as(values)
    sides = [min(window, side) for side in grid]
    means = _POOLS[len(grid) - 1](values, sides, sides, ceil_mode=True)
    for dim, side in enumerate(grid, 2):
        means = means.index_select(dim, torch.arange(side, device=values.device) // window)
    return means
