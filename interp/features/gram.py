"""Gram matrices: which channels fire together, wherever that is."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def gram(activation: Tensor, normalise: Literal["HW", "CHW"] = "CHW") -> Tensor:
    """Return `G = F Fᵀ / n`, where F is the activation with its positions in one row, `(C, HW)`.

    Symmetric, positive semi-definite, and the same wherever in the picture things are: texture without
    place. (Gatys, Ecker, Bethge: "A Neural Algorithm of Artistic Style", 2015; divided by CHW in Johnson,
    Alahi, Fei-Fei: "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016.)

    Args:
        activation: floating point `(B, C, H, W)`.
        normalise: what n is: the number of positions, or of all values of one picture.

    Returns:
        `(B, C, C)` in squared units of the activation; float32 for half precision, also under autocast,
        where sums over thousands of positions would lose digits or overflow.

    Raises:
        ValueError: the activation has another number of dimensions, or `normalise` is neither.

    Example:
        >>> gram(torch.ones(1, 2, 4, 4), "HW")
        tensor([[[1., 1.],
                 [1., 1.]]])
    """
    if activation.dim() != 4:
        raise ValueError(f"the activation has the shape {tuple(activation.shape)}; give (B, C, H, W).")
    _, channels, height, width = activation.shape
    counts = {"HW": height * width, "CHW": channels * height * width}
    if normalise not in counts:
        raise ValueError(f"normalise={normalise!r} is neither 'HW' nor 'CHW'.")
    rows = activation.flatten(2)
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    with torch.autocast(activation.device.type, enabled=False):
        return rows @ rows.mT / counts[normalise]
