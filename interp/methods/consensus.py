"""Consensus-CAM: where every resolution of the network agrees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from interp.methods.cam import hires_cam
from interp.methods.registry import method

STAGES = 4
_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@method(
    "consensus-cam",
    "Consensus-CAM",
    family="cam",
    needs="gradients",
    asks="contrast",
    stages=STAGES,
    display="positive",
    formula="max(H_4) Π_s (relu(H_s) / max(H_s))^(2^(s−3)), H_s = Σ_k g_k ⊙ A_k, s = 1 … 4",
    paper="interp; after HiResCAM (arXiv 2011.08891), LayerCAM (IEEE TIP 2021) and RefineCAM",
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
    finest = max((a.shape[2:] for a in activations), key=lambda shape: shape.numel())
    result = torch.ones(len(evidence[-1]), *finest, device=evidence[-1].device)
    for number, own in enumerate(reversed(evidence)):
        peak = own.amax(tuple(range(1, own.dim())), keepdim=True)
        share = torch.where(peak > 0, own.clamp(min=0) / torch.where(peak > 0, peak, 1), float(number > 0))
        result = result * _enlarged(share, finest) ** (2.0 ** (1 - number))
        if number == 0:
            result = result * peak.clamp(min=0)
    return result


def _enlarged(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    mode = _MODES[maps.dim() - 1]
    return F.interpolate(maps.unsqueeze(1), tuple(size), mode=mode, align_corners=False).squeeze(1)
