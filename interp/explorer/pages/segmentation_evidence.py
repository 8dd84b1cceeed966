"""How sure a network is of a region, and how much of the evidence lies outside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interp.dense import RegionTarget
from interp.explanation import Explanation
from interp.explorer.asking import logits
from interp.explorer.networks import Network
from interp.explorer.pictures import Chosen
from interp.explorer.words import say


def share(network: Network, picture: Chosen, target: RegionTarget) -> float:
    """Return the probability of the asked class, 0 … 1, on average over the region."""
    probabilities = network.model.probabilities(logits(network, picture)[None])[0, target.index]
    return float(probabilities[target.region.cpu()].mean())


def predicted_there(network: Network, picture: Chosen, target: RegionTarget) -> int:
    """Return the class that is predicted most in the region."""
    classes = logits(network, picture).argmax(0)[target.region.cpu()]
    return int(classes.bincount().argmax())


def context_share(values: npt.NDArray[np.float32], region: npt.NDArray[np.bool_]) -> float | None:
    """Return which share of a map's positive values lies outside a region, each cell by its area.

    Args:
        values: `(h, w)`, of any resolution.
        region: `(H, W)`; both cover the same.

    Returns:
        0 … 1; `None` where the map has no positive value.

    Example:
        >>> context_share(np.float32([[3, 1]]), np.array([[True, True, False, False]]))
        0.25
    """
    rows, columns = (
        ((np.arange(many) + 0.5) * few / many).astype(int)
        for many, few in zip(region.shape, values.shape, strict=True)
    )
    energy = np.maximum(values, 0).astype(np.float64)[np.ix_(rows, columns)]
    total = energy.sum()
    return float(energy[~region].sum() / total) if total > 0 else None


def evidence(explanation: Explanation, region: npt.NDArray[np.bool_]) -> str:
    """Say in words how much of the evidence lies outside a region, and how much of the area."""
    if not explanation.method.targeted:
        return say("This method shows what is active, whatever is asked.")
    outside = context_share(explanation.values, region)
    if outside is None:
        return say("The map has no positive evidence.")
    first = say("{share} % of the positive evidence lies outside the region.", share=rounded(outside))
    return f"{first} {say('Of the area, {share} % does.', share=rounded(1 - float(region.mean())))}"


def rounded(part: float) -> str:
    """Return a share in per cent, of which 0 and 100 mean that nothing is left on the one side."""
    return "> 99" if 0.995 <= part < 1 else "< 1" if 0 < part < 0.005 else f"{100 * part:.0f}"
