"""Activations as sums of a few concepts: non-negative matrix factorisation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from interp.features.errors import FeatureError

_ROUNDS = 1000
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Factors:
    """`A ≈ U W` with nothing negative: how much of each concept, and what the concepts are.

    Attributes:
        bank: `W (K, C)`, a concept a row: a direction among the channels, of length 1. The one that makes
            most of the activations' squares comes first.
        strengths: `U (N, K)`, in the activations' unit.
        error: `‖A - U W‖`, over all positions and channels.
        explained: `1 - ‖A - U W‖² / ‖A‖²`, 0 … 1; no mean is taken away before.
    """

    bank: Tensor
    strengths: Tensor
    error: float
    explained: float


def factorise(activations: Tensor, concepts: int, *, seed: int = 0) -> Factors:
    """Find concepts: `min ‖A - U W‖²` over `U ≥ 0`, `W ≥ 0` (Lee and Seung, 1999).

    It starts from the singular vectors (NNDSVDa; Boutsidis and Gallopoulos, 2008) and goes on by coordinate
    descent, so on one machine equal activations give equal concepts.

    Args:
        activations: `A (N, C)`, a row for each position; negative values count as 0.
        concepts: K, at most N and C.
        seed: of the approximate singular vectors.

    Returns:
        float32 factors on the CPU.

    Raises:
        FeatureError: more concepts than rows or channels, values that are not finite, or none above 0.

    Example:
        >>> activations = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
        >>> factorise(activations, 2).bank.round()
        tensor([[1., 0.],
                [0., 1.]])
    """
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    if activations.dim() != 2:
        raise FeatureError(f"activations of shape {tuple(activations.shape)}: give (positions, channels).")
    rows, channels = activations.shape
    if not 1 <= concepts <= min(rows, channels):
        raise FeatureError(
            f"concepts={concepts} for {rows} positions of {channels} channels: give 1 … "
            f"{min(rows, channels)}, or more pictures."
        )
    values = activations.detach().float().clamp(min=0).cpu().numpy()
    if not np.isfinite(values).all():
        raise FeatureError(
            "the activations have values that are not finite; no concept can be found in them."
        )
    squares = float(np.square(values, dtype=np.float64).sum())
    if squares == 0:
        raise FeatureError("no activation is above 0, so there is no concept in them; choose another layer.")
    # Squares of activations of 1e-25 would be zeros in float32.
    unit = float(values.max())
    solver = NMF(concepts, init="nndsvda", tol=_TOLERANCE, max_iter=_ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        # How near it came is said by `explained`.
        warnings.simplefilter("ignore", ConvergenceWarning)
        strengths = solver.fit_transform(values / unit) * unit
    bank = solver.components_
    lengths = np.linalg.norm(bank, axis=1)
    bank = bank / np.where(lengths > 0, lengths, 1)[:, None]
    strengths = strengths * lengths
    order = np.argsort(-np.square(strengths).sum(0), kind="stable")
    bank, strengths = bank[order], strengths[:, order]
    error = float(np.linalg.norm(values - strengths @ bank))
    return Factors(
        torch.from_numpy(np.ascontiguousarray(bank, np.float32)),
        torch.from_numpy(np.ascontiguousarray(strengths, np.float32)),
        error,
        max(0.0, 1 - error**2 / squares),
    )


def encode(activations: Tensor, bank: Tensor) -> Tensor:
    """Return how much of each concept there is: `argmin_u ‖a - u W‖²` over `u ≥ 0`, for each position.

    Args:
        activations: `(N, C)`, or maps `(B, C, H, W)`; negative values count as 0.
        bank: `W (K, C)`.

    Returns:
        float32 on the CPU, `(N, K)`, or maps `(B, K, H, W)`.

    Raises:
        FeatureError: the bank is of other channels.

    Example:
        >>> encode(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        tensor([[3., 2.]])
    """
    from scipy.optimize import nnls

    if activations.dim() == 4:
        count, _, height, width = activations.shape
        found = encode(rows_of(activations), bank)
        return found.reshape(count, height, width, -1).permute(0, 3, 1, 2)
    if activations.dim() != 2 or activations.shape[1] != bank.shape[1]:
        raise FeatureError(
            f"activations of shape {tuple(activations.shape)} for concepts of {bank.shape[1]} channels: give "
            "the outputs of the layer that the concepts are of."
        )
    values = activations.detach().clamp(min=0).double().cpu().numpy()
    # With W' = Q R the distance to a differs from |R u - Q' a| by a constant: the same answer from K rows.
    across, triangle = np.linalg.qr(bank.detach().double().cpu().numpy().T)
    solved = [nnls(triangle, row)[0] for row in values @ across]
    return torch.from_numpy(np.array(solved, np.float32).reshape(len(values), bank.shape[0]))


def explained_by(activations: Tensor, strengths: Tensor, bank: Tensor) -> float:
    """Return `1 - ‖A - U W‖² / ‖A‖²` of maps `(B, C, H, W)` and their strengths `(B, K, H, W)`; of none, 1.

    Example:
        >>> explained_by(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), torch.ones(1, 1))
        1.0
    """
    values = rows_of(activations.detach().clamp(min=0)).double().cpu()
    rest = values - rows_of(strengths).double() @ bank.double()
    squares = float(values.square().sum())
    return 1 - float(rest.square().sum()) / squares if squares else 1.0


def rows_of(maps: Tensor) -> Tensor:
    """Return maps `(B, C, H, W)` as rows, one for each position, `(B H W, C)`.

    Example:
        >>> rows_of(torch.zeros(2, 5, 3, 4)).shape
        torch.Size([24, 5])
    """
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
