"""A network that forgets from the top: what becomes of the map while ever more weights are shuffled."""

from __future__ import annotations

from dataclasses import dataclass, replace

from interp.explanation import Explanation
from interp.metrics.likeness import rank_correlation
from interp.metrics.measuring import on_trial
from interp.metrics.sanity import shuffled, structure
from interp.progress import Progress


@dataclass(frozen=True)
class Forgotten:
    """The map of a network some of whose layers mean nothing any more.

    Attributes:
        part: of the layers whose weights are shuffled, from the head down; 0 is the trained network.
        explanation: what was explained, with the map of that network.
        rank: the rank correlation of its map and that of the trained network, -1 … 1.
        ssim: the SSIM of what the two show; NaN where they are no pictures.
    """

    part: float
    explanation: Explanation
    rank: float
    ssim: float


def cascade(
    explanation: Explanation, *, steps: int = 8, seed: int = 0, progress: Progress | None = None
) -> tuple[Forgotten, ...]:
    """Shuffle the weights of the network from the head down, and make the map again after each step.

    What the metric `randomisation` measures, with the maps: Adebayo et al., Sanity Checks for Saliency Maps,
    NeurIPS 2018. A map that stays the same shows the picture and not what the network has learnt.

    Args:
        explanation: from `interp.explain`; its network stays as it is.
        steps: in how many steps the layers are shuffled.
        seed: of the order of the numbers.
        progress: is told how far this is.

    Returns:
        the trained network first, then each step; the last one has nothing left of what was learnt.

    Raises:
        MetricError: there is no step.

    Example:
        >>> explanation = interp.explain("efficientnet_lite0", "sample_images/cat.jpg", method="grad-cam")
        >>> [round(each.part, 2) for each in cascade(explanation, steps=2)]
        [0.0, 0.51, 1.0]
    """
    here = explanation.map.float()
    found = [Forgotten(0.0, explanation, 1.0, 1.0)]
    with on_trial(explanation, progress=progress) as trial:
        for part, map in shuffled(trial, steps, seed):
            other = replace(explanation, map=map)
            found.append(Forgotten(part, other, rank_correlation(here, map), structure(trial, map)))
    return tuple(found)
