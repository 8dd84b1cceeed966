"""What is asked of a segmentation where its ground truth is known: the true region, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from interp.asked_regions import Wanted, over_region, region_query, size_of
from interp.dense import RegionTarget, predicted_classes
from interp.places import PlaceError
from interp.queries import Asked, Query
from interp.regions import NOWHERE, Mask, as_numbers, fitted

Wrong = Literal["missed", "invented"]


def where_true(wanted: Wanted, truth: Any) -> Query:
    """Ask a segmentation what speaks for a class where it truly is: the sum of its logits there.

    Args:
        wanted: name or index of the class; `None` for the one that has most positions.
        truth: the label map, class numbers `(height, width)`: an array, a tensor or the path of a PNG, of
            the output's or the picture's size as in `over`. Numbers of no class, as 255, are void, and so is
            a class called void or unlabelled. Of a network of a single class 1 is the class and 0 is not.

    Raises:
        ImageError, PlaceError: as in `over`.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.where_true("car", "labels/street.png"))
    """
    return _with_truth(wanted, truth, lambda true, _: true, "where it truly is")


def where_wrong(wanted: str | int, truth: Any, kind: Wrong) -> Query:
    """Ask a segmentation what speaks for a class where the prediction is wrong about it.

    Args:
        wanted: name or index of the class.
        truth: the label map, as in `where_true`.
        kind: "missed", the false negatives: it is there and something else is predicted; "invented", the
            false positives: it is predicted and something else is there. Void positions are neither.

    Raises:
        ImageError, PlaceError: as in `over`; also where nothing is wrong.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.where_wrong("car", truth, "missed"))
    """
    if kind not in get_args(Wrong):
        raise PlaceError(f"the kind {kind!r} is none: give 'missed' or 'invented'.")
    if kind == "missed":
        return _with_truth(wanted, truth, lambda true, predicted: true & ~predicted, "where it is missed")
    return _with_truth(wanted, truth, lambda true, predicted: predicted & ~true, "where it is invented")


def _with_truth(
    wanted: Wanted,
    truth: Any,
    choose: Callable[[Mask, Mask], Mask],
    words: str,
) -> Query:
    values = as_numbers(truth, "the ground truth")

    def ask(asked: Asked) -> RegionTarget:
        found = fitted(values, size_of(asked), asked.seen, "the ground truth", NOWHERE)
        classes = predicted_classes(asked.logits).cpu().numpy()
        single = len(asked.logits) == 1
        void = None if single else asked.labels.void
        valid = (found >= 0) & (found < (2 if single else len(asked.logits)))
        if wanted is None:
            known = found[valid & (found > 0)] - 1 if single else found[valid & (found != void)]
            index = int(np.bincount(known).argmax()) if known.size else 0
        else:
            index = asked.labels.find(wanted, len(asked.logits))
        if void is not None and index != void:
            valid &= found != void
        true = valid & (found == (1 if single else index))
        region = choose(true, valid & (classes == index))
        return over_region(index, region, f", {words}", asked)

    return region_query(ask)
