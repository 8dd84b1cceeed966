"""How unevenly a map is shared out among its positions: Gini's coefficient, and the diffusion index."""

from __future__ import annotations

import numpy.typing as npt
import torch


def gini(values: torch.Tensor) -> torch.Tensor:
    """Return how unevenly absolute values are shared out: `G = Σ_i (2i − n − 1) |a|_(i) / (n Σ_i |a|_i)`.

    `|a|_(i)` are the absolute values from the least to the largest. It is 0 where all are alike and
    `1 − 1/n` where all but one are 0; scaling the values does not change it.

    Paper: Gini, Variabilità e mutabilità, 1912; Hurley & Rickard, Comparing Measures of Sparsity, 2009.

    Args:
        values: `(..., n)`.

    Returns:
        `(...)`, float64. NaN where all values are 0, and of none: nothing is shared out.

    Example:
        >>> gini(torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, -8.0, 0.0, 0.0]]))
        tensor([0.0000, 0.7500], dtype=torch.float64)
    """
    found = values.detach().cpu().double().abs().sort(dim=-1).values
    count = found.shape[-1]
    ranks = 2 * torch.arange(count, dtype=torch.float64) + 1 - count
    return (found * ranks).sum(-1) / (count * found.sum(-1))


def diffusion_index(map: torch.Tensor | npt.ArrayLike) -> float:
    """Return over how much of a picture a map is spread: `DI = 100 (1 − G)`, `G` the Gini of `|map|`.

    It is 100 where every position counts alike and `100 / n` where a single one of `n` counts. It depends
    on the size: the same spot in a larger picture has a smaller one. Compare it only between maps of one
    size, one picture and one target.

    Paper: Gu & Dong, Interpreting Super-Resolution Networks with Local Attribution Maps, CVPR 2021.

    Args:
        map: one value for each position, any shape: of an `Explanation` its `map`.

    Returns:
        From `100 / n` to 100; NaN of a map of zeros.

    Example:
        >>> diffusion_index([[0.0, 0.0], [0.0, -3.0]])
        25.0
    """
    return 100 * (1 - float(gini(torch.as_tensor(map).flatten())))
