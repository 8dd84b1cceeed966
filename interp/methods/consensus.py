"""Consensus-CAM: where every resolution of the network agrees."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.methods.cam import hires_cam
from interp.methods.fusing import STAGES, enlarged, share_of_peak
from interp.methods.registry import method


@method(
    "consensus-cam",
    "Consensus-CAM",
    family="cam",
    needs="gradients",
    asks="contrast",
    stages=STAGES,
    display="positive",
    formula="max(H_4) Π_s (relu(H_s) / max(H_s))^(2^(s−3)), H_s = Σ_k g_k ⊙ A_k, s = 1 … 4",
    paper="interp 2026 (docs: consensus-cam); after HiResCAM (arXiv 2011.08891)",
    passes=1.8,
)
def consensus_cam(activations: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the product of the HiResCAM maps of four stages, on the grid of the finest.

    The coarse stages know what it is and the fine ones where it is; what only one of them lights up is
    switched off. Each map counts by its positive part over its maximum, enlarged bilinearly, with an exponent
    that doubles from stage to stage: ¼, ½, 1, 2. A finer stage without any positive evidence has no say, the
    last one decides whether there is a map at all. The map keeps the last stage's scale, so that maps of two
    classes can be compared.

    Args:
        activations: of each stage, finest first, `(B, C, *grid)`.
        gradients: of what is asked, in the same shapes.

    Returns:
        `(B, *grid)` with the grid that has most positions, at least 0.
    """
    evidence = [hires_cam(a, g).float() for a, g in zip(activations, gradients, strict=True)]
    finest = max((each.shape[1:] for each in evidence), key=lambda shape: shape.numel())
    last = evidence[-1]
    whole = tuple(range(1, last.dim()))
    result = enlarged(share_of_peak(last), finest) ** 2 * last.amax(whole, keepdim=True).clamp(min=0)
    for number, own in enumerate(reversed(evidence[:-1])):
        share = enlarged(share_of_peak(own), finest) ** 0.5**number
        result = result * torch.where(own.amax(whole, keepdim=True) > 0, share, 1)
    return result
