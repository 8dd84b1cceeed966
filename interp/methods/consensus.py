"""Consensus-CAM: where every resolution of the network agrees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from interp.methods.cam import hires_cam
from interp.methods.fusing import STAGES, enlarged, share_of_peak
from interp.methods.registry import method

_MEANS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@method(
    "consensus-cam",
    "Consensus-CAM",
    family="cam",
    needs="gradients",
    asks="contrast",
    stages=STAGES,
    branches=True,
    display="positive",
    formula="relu(H_4) N(H_3) N(H_2)^½ N(H_1)^¼, H_s = Σ_k g_k ⊙ A_k at stage s",
    paper="interp 2026 (docs: consensus-cam); after HiResCAM (arXiv 2011.08891)",
    passes=1.8,
)
def consensus_cam(activations: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the product of the HiResCAM maps of four stages, on the grid of the finest.

    The coarse stages know what it is and the fine ones where it is; what only one of them lights up is
    switched off. The last stage gives its evidence as it is, so the map has its unit and is nowhere above it.
    Every finer one gives `N`, the positive part over its maximum; the two finest, which are noisy, as the
    mean over 3×3 positions and under a root. All are enlarged linearly. A finer stage without any positive
    evidence has no say; the last one decides whether there is a map at all. A stage of a transformer counts
    with the attention of all its blocks.

    Args:
        activations: of each stage, finest first, `(B, C, *grid)`.
        gradients: of the contrast (`interp.methods.contrast`), in the same shapes.

    Returns:
        `(B, *grid)` with the grid that has most positions, at least 0.
    """
    evidence = [hires_cam(a, g).float().clamp(min=0) for a, g in zip(activations, gradients, strict=True)]
    finest = max((each.shape[1:] for each in evidence), key=lambda shape: shape.numel())
    result = enlarged(evidence[-1], finest)
    for before, own in enumerate(reversed(evidence[:-1])):
        smooth = own if before == 0 else _mean_of_neighbours(own)
        there = own.amax(tuple(range(1, own.dim())), keepdim=True) > 0
        result = result * torch.where(there, enlarged(share_of_peak(smooth), finest) ** 0.5**before, 1)
    return result


def _mean_of_neighbours(maps: torch.Tensor) -> torch.Tensor:
    mean = _MEANS[maps.dim() - 1]
    return mean(maps.unsqueeze(1), 3, 1, 1, count_include_pad=False).squeeze(1)
