"""How the colours of photographs go together: the square root of their covariance."""

from __future__ import annotations

import torch
from torch import Tensor

from interp.features.errors import FeatureError

# Over the training pictures of ImageNet, as published with lucid (Apache 2.0): columns are brightness,
# yellow against blue, green against purple.
_IMAGENET = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def colour_basis(pictures: int | Tensor = 3) -> Tensor:
    """Return K, by which independent channels become colours as photographs have them.

    `K = V √Λ / max √λ` of the colours' covariance `V Λ Vᵀ`; the identity for grey pictures.

    Args:
        pictures: your own, `(N, C, H, W)` of 0 … 1; or a number of channels, 1 or 3, for ImageNet's.

    Returns:
        `(C, C)`; the longest column has length 1.

    Raises:
        FeatureError: another number of channels, or all pixels have the same colour.

    Example:
        >>> colour_basis(1), colour_basis(torch.rand(2, 3, 8, 8)).shape
        (tensor([[1.]]), torch.Size([3, 3]))
    """
    channels = pictures if isinstance(pictures, int) else pictures.shape[-3]
    if channels not in (1, 3):
        raise FeatureError(f"colours of {channels} channels are not known; give 1 (grey) or 3 (RGB).")
    if channels == 1:
        return torch.ones(1, 1)
    if isinstance(pictures, int):
        root = torch.tensor(_IMAGENET)
        longest: Tensor = root.square().sum(0).max().sqrt()
        return root / longest
    pixels = pictures.detach().double().movedim(-3, 0).flatten(1)
    powers, axes = torch.linalg.eigh(torch.cov(pixels))
    largest = powers.max()
    if not largest > 1e-12:
        raise FeatureError("all pixels of the pictures have one colour; give pictures of several colours.")
    # An axis that these pictures do not use at all could not be inverted.
    roots = (powers / largest).clamp(min=1e-6).sqrt().flip(0)
    axes = axes.flip(1)
    # The sign of an eigenvector is chance; brightness is to be bright.
    signs = torch.where(axes.sum(0) < 0, -1.0, 1.0)
    return torch.mul(axes, roots * signs).float()
