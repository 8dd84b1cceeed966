"""How much of a function's variance each of its arguments has a part in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def total_sobol_indices(
    function: Callable[[Floats], npt.ArrayLike], dimensions: int, *, designs: int = 32, seed: int = 0
) -> Floats:
    """Return total Sobol indices by Jansen's estimator (1999).

    `S_i = E[(f(a) - f(a with its i-th value of b))²] / (2 Var f)` for independent arguments, each uniform
    between 0 and 1: the part of the variance that would be left if all arguments but the i-th were known.
    Arguments that work together count in each of theirs, so the sum may be above 1. Sobol's sequence,
    scrambled, gives a and b.

    Args:
        function: of `(n, dimensions)` points, one number for each.
        dimensions: number of arguments.
        designs: number of pairs a and b, best a power of two; the function is called for
            `designs (dimensions + 2)` points, in one call.
        seed: of the scrambling.

    Returns:
        `(dimensions,)`, from 0; zeros for a function that is constant.

    Example:
        >>> total_sobol_indices(lambda x: 3 * x[:, 0] + 4 * x[:, 1], 2, designs=1024).round(2)
        array([0.36, 0.64])
    """
    from scipy.stats import qmc

    power = max(1, int(np.ceil(np.log2(max(2, designs)))))
    points = qmc.Sobol(2 * dimensions, rng=seed).random_base2(power)[:designs]
    first, second = points[:, :dimensions], points[:, dimensions:]
    mixed = np.repeat(first[None], dimensions, axis=0)
    for i in range(dimensions):
        mixed[i, :, i] = second[:, i]
    asked = np.concatenate([first, second, mixed.reshape(-1, dimensions)])
    values = np.asarray(function(asked), dtype=np.float64).reshape(dimensions + 2, len(first))
    variance = values[:2].var()
    # Differences of rounding are no variance.
    if variance <= (1e-7 * np.abs(values).max()) ** 2:
        return np.zeros(dimensions)
    changes: Floats = np.square(values[0] - values[2:]).mean(1) / (2 * variance)
    return changes
