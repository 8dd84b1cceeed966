"""Noisy linear imputation: what is taken away becomes what its neighbours say, so no hole can be seen."""

from __future__ import annotations

import torch

from interp.metrics.multigrid import filled


def imputed(picture: torch.Tensor, gone: torch.Tensor, noise: float, seed: int) -> torch.Tensor:
    """Return a picture whose missing positions are the weighted mean of their eight neighbours, and noise.

    `x_i = Σ_j w_ij x_j / Σ_j w_ij` for every missing i at once, with `w` = 1/6 for straight and 1/12 for
    diagonal neighbours inside the picture: one sparse symmetric system for each channel, solved to 10⁻⁶.

    Args:
        picture: `(C, H, W)`.
        gone: bool `(H, W)`; where all is gone, nothing is known, and the mean colour stands there.
        noise: standard deviation of what is added to the missing positions.
        seed: of the noise.

    Example:
        >>> row = torch.tensor([[[0.0, 9.0, 2.0]]])
        >>> imputed(row, torch.tensor([[False, True, False]]), noise=0, seed=0)
        tensor([[[0., 1., 2.]]])
    """
    gone = gone.cpu()
    if not bool(gone.any()):
        return picture.clone()
    given = picture.cpu().double()
    found = filled(given, gone) if not bool(gone.all()) else given.mean((1, 2), keepdim=True).expand_as(given)
    drawn = torch.randn(
        len(given), int(gone.sum()), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    result = found.clone()
    result[:, gone] += noise * drawn
    return result.to(picture)
