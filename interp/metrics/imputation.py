"""Noisy linear imputation: what is taken away becomes what its neighbours say, so no hole can be seen."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

_STRAIGHT, _DIAGONAL = 1 / 6, 1 / 12
_SMALL = 9  # positions that are not worth halving
_PANEL = 1  # columns at once: a quarter faster than the 20 of SuperLU; more than those overrun its memory


def imputed(picture: torch.Tensor, gone: torch.Tensor, noise: float, seed: int) -> torch.Tensor:
    """Return a picture whose missing positions are the weighted mean of their eight neighbours, and noise.

    `x_i = Σ_j w_ij x_j / Σ_j w_ij` for every missing i at once, with `w` = 1/6 for straight and 1/12 for
    diagonal neighbours inside the picture: one sparse symmetric system for all channels.

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
    missing = gone.flatten().cpu().numpy()
    if not missing.any():
        return picture.clone()
    flat = picture.flatten(1).cpu().double().numpy()
    if missing.all():
        values = np.repeat(flat.mean(1, keepdims=True), missing.size, axis=1)
    else:
        values = _solved(flat, missing, (int(gone.shape[0]), int(gone.shape[1])))
    drawn = torch.randn(values.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    filled = torch.from_numpy(flat.copy())
    filled[:, torch.from_numpy(missing)] = torch.from_numpy(values) + noise * drawn
    return filled.reshape(picture.shape).to(picture)


def _solved(
    flat: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_], size: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Return the missing values `(C, missing)`."""
    order, system = _dissected(size)
    wanted = missing[order]
    known = -(system @ np.where(missing, 0, flat)[:, order].T)[wanted]
    # Symmetric and positive definite, so no pivots; and the order is better than those that SuperLU finds.
    factors = splu(
        system[wanted][:, wanted].T,
        permc_spec="NATURAL",
        diag_pivot_thresh=0.0,
        panel_size=_PANEL,
        options={"SymmetricMode": True},
    )
    values = np.zeros_like(flat)
    values[:, order[wanted]] = factors.solve(known).T
    return values[:, missing]


@lru_cache(maxsize=8)
def _dissected(size: tuple[int, int]) -> tuple[npt.NDArray[np.int64], sparse.csr_matrix]:
    """Return an order of elimination of the whole picture, and `_laplacian` in it.

    Nested dissection (George 1973): two halves, then the line between them, so that eliminating one half
    leaves the other as it is. What is left of a good order is a good order for any part of the picture.
    """
    order = np.concatenate(_halves(np.arange(size[0] * size[1]).reshape(size)))
    return order, _laplacian(size)[order][:, order]


def _halves(places: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    if places.size <= _SMALL:
        return [places.ravel()]
    if places.shape[0] < places.shape[1]:
        places = places.T
    middle = len(places) // 2
    return [*_halves(places[:middle]), *_halves(places[middle + 1 :]), places[middle]]


def _laplacian(size: tuple[int, int]) -> sparse.csr_matrix:
    """Return `D − W` of the whole picture, `(H W, H W)`."""
    down, across = (_shift(length) for length in size)
    straight = sparse.kron(down, sparse.identity(size[1])) + sparse.kron(sparse.identity(size[0]), across)
    weights = _STRAIGHT * straight + _DIAGONAL * sparse.kron(down, across)
    degrees = np.asarray(weights.sum(1)).ravel()
    return (sparse.diags(degrees) - weights).tocsr()


def _shift(length: int) -> sparse.csr_matrix:
    """Return which positions of a line are neighbours."""
    ones = np.ones(max(length - 1, 0))
    return sparse.diags([ones, ones], [-1, 1], shape=(length, length)).tocsr()
