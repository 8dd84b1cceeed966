"""How alike the maps of two networks are: one that was taught, and one that was taught nonsense."""

from __future__ import annotations

from interp.explaining import explain
from interp.explanation import Explanation
from interp.methods import INPUT
from interp.metrics.likeness import rank_correlation
from interp.metrics.trial import Measured, MetricError
from interp.models import ImageModel


def agreement(explanation: Explanation, other: ImageModel) -> Measured:
    """Return how alike the map is to that of another network, of the same picture, class, method and layer.

    `ρ(E, E of the other network)`, ρ the rank correlation. Where the other was trained with labels dealt out
    by chance, `interp train classifier --random-labels`, a value near 1 says that the map never showed what
    was learnt: the data randomisation test.

    What it cannot tell: two trainings of one network look at the same things too, and should.

    Paper: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.

    Args:
        explanation: from `interp.explain`.
        other: a network of the same architecture.

    Raises:
        MetricError: its map has another size.
        LayerError, TargetError, MethodError: it has no such layer or class.

    Example:
        >>> taught, nonsense = interp.load("runs/pets"), interp.load("runs/pets-random-labels")
        >>> agreement(interp.explain(taught, "cat.jpg"), nonsense).value
        0.07
    """
    layer = None if explanation.layer == INPUT else explanation.layer
    found = explain(other, explanation.picture, explanation.target, explanation.method, layer)
    if found.map.shape != explanation.map.shape:
        sizes = [" × ".join(map(str, each.map.shape)) for each in (explanation, found)]
        raise MetricError(
            f"the maps have {' and '.join(sizes)} positions; compare networks of one architecture."
        )
    return Measured(rank_correlation(explanation.map, found.map), chance=0.0)
