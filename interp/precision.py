"""Sums over thousands of positions and channels need more digits than half precision has."""

from __future__ import annotations

import torch


def in_full(tensor: torch.Tensor) -> torch.Tensor:
    """Return half precision as float32, anything else as it is.

    Example:
        >>> in_full(torch.ones(2, dtype=torch.float16)).dtype
        torch.float32
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
