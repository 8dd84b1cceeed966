"""Gram matrices: which channels fire together, wherever that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from interp.features.errors import FeatureError

Normalise = Literal["HW", "CHW"]


@dataclass(frozen=True)
class Neighbour:
    """A channel that fires where another one does: its number and their cosine, -1 … 1."""

    channel: int
    cosine: float


def gram(activation: Tensor, normalise: Normalise = "CHW") -> Tensor:
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


def cosine(matrix: Tensor) -> Tensor:
    """Return `G_ij / sqrt(G_ii G_jj)`: how far two channels fire together, however loud they are.

    After a ReLU nothing is negative, and two channels that know nothing of each other are above 0: both have
    a mean. A dead channel, one that is 0 everywhere in the picture, has 0 with all others and with itself.

    Args:
        matrix: Gram matrices `(C, C)` or `(B, C, C)`, of either normalisation.

    Returns:
        The same shape, -1 … 1; the diagonal is 1, 0 for dead channels.

    Raises:
        FeatureError: the matrices are not square.

    Example:
        >>> cosine(torch.tensor([[4.0, 3.0], [3.0, 9.0]]))
        tensor([[1.0000, 0.5000],
                [0.5000, 1.0000]])
    """
    _check_square(matrix)
    loudness = matrix.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt()
    alive = loudness > 0
    # One square root at a time: the product of two diagonals may leave the range of the numbers.
    scaled = matrix / loudness.unsqueeze(-1) / loudness.unsqueeze(-2)
    both = alive.unsqueeze(-1) & alive.unsqueeze(-2)
    values = torch.where(both, scaled, 0).clamp(-1, 1)
    same = torch.eye(matrix.shape[-1], dtype=torch.bool, device=matrix.device)
    return torch.where(same & both, 1, values)


def dead_channels(matrix: Tensor) -> tuple[int, ...]:
    """Return the channels of one Gram matrix `(C, C)` that are 0 everywhere in the picture, in order.

    Raises:
        FeatureError: the matrix is not square, or there are several.

    Example:
        >>> dead_channels(torch.diag(torch.tensor([1.0, 0.0, 2.0])))
        (1,)
    """
    _check_one(matrix)
    return tuple(torch.nonzero(matrix.diagonal() <= 0).flatten().tolist())


def clustered_order(matrix: Tensor) -> tuple[int, ...]:
    """Return the channels in an order that puts those that fire together side by side.

    Average linkage on `1 - cosine`, its leaves in the order with the least sum of distances between
    neighbours (Bar-Joseph, Gifford, Jaakkola: "Fast optimal leaf ordering for hierarchical clustering",
    2001), the end with the smaller number first. Dead channels stand last.

    Args:
        matrix: Gram matrix `(C, C)`. For an order that several pictures share, the mean of theirs: it is
            that of the pictures side by side.

    Returns:
        Every channel once; the same for the same matrix.

    Raises:
        FeatureError: the matrix is not square, there are several, or it has values that are not finite.

    Example:
        >>> features = torch.tensor([1.0, 0, 0, 2, 1, 0, 0, 2]).view(1, 4, 1, 2)
        >>> clustered_order(gram(features)[0])
        (0, 2, 3, 1)
    """
    # Slow to import, and most callers of the package want no order.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    _check_one(matrix)
    if not matrix.isfinite().all():
        raise FeatureError("the Gram matrix has values that are not finite (NaN or infinity).")
    dead = dead_channels(matrix)
    alive = sorted(set(range(len(matrix))) - set(dead))
    if len(alive) < 3:
        return (*alive, *dead)
    apart = (1 - cosine(matrix.detach().double().cpu())[alive][:, alive]).numpy()
    condensed = squareform(apart, checks=False)
    leaves = [alive[leaf] for leaf in leaves_list(linkage(condensed, "average", optimal_ordering=True))]
    return (*(leaves if leaves[0] < leaves[-1] else leaves[::-1]), *dead)


def neighbours(matrix: Tensor, channel: int, count: int = 8) -> tuple[Neighbour, ...]:
    """Return the channels that fire most where one channel does, by the cosine, the nearest first.

    Args:
        matrix: Gram matrix `(C, C)`, of one picture or the mean of several.
        channel: whose neighbours, 0 … C - 1.
        count: at most so many; dead channels are nobody's neighbours.

    Raises:
        FeatureError: the matrix is not square, there are several, or it has no such channel.

    Example:
        >>> neighbours(torch.tensor([[4.0, 3.0], [3.0, 9.0]]), 0)
        (Neighbour(channel=1, cosine=0.5),)
    """
    _check_one(matrix)
    channels = len(matrix)
    if not 0 <= channel < channels:
        raise FeatureError(f"channel {channel} is outside 0 … {channels - 1}.")
    values = cosine(matrix)[channel].tolist()
    passed = {channel, *(dead_channels(matrix) if values[channel] else range(channels))}
    best = sorted(set(range(channels)) - passed, key=lambda other: (-values[other], other))
    return tuple(Neighbour(other, values[other]) for other in best[:count])


def _check_square(matrix: Tensor) -> None:
    if matrix.dim() not in (2, 3) or matrix.shape[-1] != matrix.shape[-2]:
        raise FeatureError(f"the matrix has the shape {tuple(matrix.shape)}; give (C, C) or (B, C, C).")


def _check_one(matrix: Tensor) -> None:
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
        raise FeatureError(f"the matrix has the shape {tuple(matrix.shape)}; give one Gram matrix (C, C).")
