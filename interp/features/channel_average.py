"""One map for all channels of an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from torch import Tensor

from interp.features.errors import FeatureError
from interp.methods.activation import activation_abs, activation_l2, activation_mean

Average = Literal["mean", "abs", "l2"]

AVERAGES: Final[dict[Average, str]] = {
    "mean": "Mean activation",
    "abs": "Mean absolute activation",
    "l2": "L2 norm of the activation",
}
"""What people read for each average over the channels."""

_FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "mean": activation_mean,
    "abs": activation_abs,
    "l2": activation_l2,
}


def average_map(values: Tensor, kind: Average = "abs") -> Tensor:
    """Return one map for all channels: `mean_k A_k`, `mean_k |A_k|` or `sqrt(Σ_k A_k²)`.

    Args:
        values: `(C, H, W)`.
        kind: mean (any sign), abs or l2 (at least 0).

    Returns:
        `(H, W)`, in units of the activation.

    Raises:
        FeatureError: the values have another number of dimensions, or there is no such average.

    Example:
        >>> average_map(torch.tensor([[[3.0]], [[-4.0]]]), "l2")
        tensor([[5.]])
    """
    if kind not in _FUNCTIONS:
        raise FeatureError(f"there is no average {kind!r} over channels; give mean, abs or l2.")
    if values.dim() != 3:
        raise FeatureError(f"the activation has the shape {tuple(values.shape)}; give (C, H, W).")
    return _FUNCTIONS[kind](values[None])[0]
