"""How alike two maps are."""

from __future__ import annotations

import torch
from scipy.stats import rankdata
from skimage.metrics import structural_similarity


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return Pearson's correlation of two maps of one size, 0 where one of them is flat.

    Example:
        >>> correlation(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 3.0, 5.0]))
        1.0
    """
    a, b = (each.flatten().double() - each.double().mean() for each in (one, other))
    scale = float(a.norm() * b.norm())
    return round(float(a @ b) / scale, 12) if scale > 0 else 0.0


def rank_correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return Spearman's correlation of two maps of one size, 0 where one of them is flat.

    Example:
        >>> rank_correlation(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 1.0, 100.0]))
        1.0
    """
    ranks = (torch.from_numpy(rankdata(each.flatten().cpu().numpy())) for each in (one, other))
    return correlation(*ranks)


def structural_likeness(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the SSIM of two maps `(H, W)` from 0 to 1 (Wang et al. 2004), in windows of 7 positions."""
    side = min(7, *one.shape)
    pair = (each.cpu().double().numpy() for each in (one, other))
    return float(structural_similarity(*pair, data_range=1.0, win_size=side - (side + 1) % 2))
