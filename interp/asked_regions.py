"""What is asked of a segmentation: a class at a pixel, in a box, over any region.

A region is found once, from the prediction or what the caller gives, and then stays: no gradient asks how it
would move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.dense import (
    RegionTarget,
    class_in,
    predicted_classes,
    predicted_region,
    predicted_regions,
    region_at,
)
from interp.logits import SumTarget, TargetError
from interp.places import PlaceError, checked, in_words, positions
from interp.queries import Asked, Query, Target, TargetLike, one
from interp.regions import (
    Points,
    Side,
    as_numbers,
    checked_points,
    fitted,
    from_runs,
    polygon_positions,
)
from interp.regions import border as border_of
from interp.regions import component as component_of

Wanted = str | int | None


def pixel(x: float, y: float, wanted: Wanted = None) -> Query:
    """Ask a segmentation what speaks for a class at one pixel: its logit there.

    The place is a fraction of what the network sees and not a pixel of the picture, because a target sees
    nothing but the output; `interp.places.seen` makes the one of the other.

    Args:
        x: from the left, 0 … 1.
        y: from the top, 0 … 1.
        wanted: name or index of the class; `None` for the one that is predicted there.

    Raises:
        PlaceError: x or y is no fraction.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.pixel(0.1, 0.9)).target.name
        'road at (0.10, 0.90)'
    """
    return at((x, y), wanted)


def box(left: float, top: float, right: float, bottom: float, wanted: Wanted = None) -> Query:
    """Ask a segmentation what speaks for a class in a box: the sum of its logits there.

    Args:
        left: edge of the box as a fraction, 0 … 1, of what the network sees, as in `pixel`.
        top: the same.
        right: the same.
        bottom: the same.
        wanted: name or index of the class; `None` for the one that is predicted there most.

    Raises:
        PlaceError: an edge is no fraction, or the box is empty.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.box(0.4, 0.5, 0.6, 0.7, "car"))
    """
    return at((left, top, right, bottom), wanted)


def at(place: Sequence[float], wanted: Wanted = None) -> Query:
    """Ask as `pixel` does of `(x, y)`, and as `box` does of `(left, top, right, bottom)`.

    Raises:
        PlaceError: the place is neither.
    """
    found = checked(place)
    return region_query(lambda asked: region_at(asked.logits, asked.labels, found, wanted))


def where_predicted(wanted: Wanted = None) -> Query:
    """Ask a segmentation what speaks for a class where it is predicted: the sum of its logits there.

    Args:
        wanted: name or index of the class; `None` for the one with the largest region.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.where_predicted("car"))
    """

    def ask(asked: Asked) -> RegionTarget:
        logits, labels = asked.logits, asked.labels
        if wanted is None:
            return predicted_regions(logits, labels, 1)[0]
        found = predicted_region(logits, labels, labels.find(wanted, len(logits)))
        if not found.region.any():
            raise PlaceError(
                f"{labels[found.index]} is predicted nowhere in the picture; ask for it at a pixel or in a "
                "box."
            )
        return found

    return region_query(ask)


def over(wanted: Wanted, mask: Any, *, name: str | None = None) -> Query:
    """Ask a segmentation what speaks for a class over a mask: `s = Σ_(i,j) in mask logit_c(i, j)`.

    Args:
        wanted: name or index of the class; `None` for the one that is predicted most in the mask.
        mask: `(height, width)`, an array or tensor of bools or whole numbers, which may be floats, of which 0
            is outside; or the path of a grey or palette PNG. Of the output's size, or of the picture's in
            `interp.explain`, which cuts out what the network sees.
        name: how the mask is called; default: "the mask", with the name of the file.

    Raises:
        ImageError: the file cannot be opened.
        PlaceError: it is no mask; of a picture: it has another size, or nothing of it is seen.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.over("road", mask)).target.name
        'road in the mask'
    """
    values = as_numbers(mask, "the mask")
    called = name or ("the mask" + (f" {Path(mask).name}" if isinstance(mask, (str, Path)) else ""))

    def ask(asked: Asked) -> RegionTarget:
        region = fitted(values, size_of(asked), asked.seen, "the mask") != 0
        return over_region(wanted, region, f"in {called}", asked)

    return region_query(ask)


def polygon(points: Sequence[Sequence[float]], wanted: Wanted = None) -> Query:
    """Ask a segmentation what speaks for a class in a polygon: the sum of its logits there.

    To a polygon belong the positions whose middle lies in it, by the even-odd rule.

    Args:
        points: three or more `(x, y)` in fractions, 0 … 1, of what the network sees;
            `interp.regions.seen_polygon` makes them of the picture's pixels.
        wanted: name or index of the class; `None` for the one that is predicted there most.

    Raises:
        PlaceError: the points are no polygon; of a picture: no position lies in it.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.polygon([(0, 1), (0.5, 0.5), (1, 1)]))
    """
    found: Points = checked_points(points)
    low, high = (tuple(edge(end) for end in zip(*found, strict=True)) for edge in (min, max))
    words = f"in the polygon of {len(found)} points {in_words((*low, *high)).removeprefix('in the box ')}"
    return region_query(
        lambda asked: over_region(wanted, polygon_positions(found, size_of(asked)), words, asked),
    )


def component(wanted: Wanted = None, *, at: Sequence[float]) -> Query:
    """Ask a segmentation what speaks for one thing: the connected part of the predicted region at a place.

    Positions are connected to all eight around them.

    Args:
        wanted: name or index of the class; `None` for the one that is predicted there.
        at: `(x, y)` in fractions, 0 … 1, of what the network sees, as in `pixel`.

    Raises:
        PlaceError: the place is no pixel; of a picture: the class is not predicted there.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.component("car", at=(0.3, 0.6)))
    """
    place = checked(at)
    if len(place) != 2:
        raise PlaceError(f"a component is asked for at a pixel, x, y; {place!r} is a box.")

    def ask(asked: Asked) -> RegionTarget:
        row, column = positions(place, size_of(asked)).nonzero()[0].tolist()
        classes = predicted_classes(asked.logits).cpu().numpy()
        there = int(classes[row, column])
        index = there if wanted is None else asked.labels.find(wanted, len(asked.logits))
        if there != index or there < 0:
            what = asked.labels[there] if there >= 0 else "none"
            raise PlaceError(
                f"{asked.labels[max(index, 0)]} is not predicted {in_words(place)}, where the class is "
                f"{what}; a component needs a place in its predicted region."
            )
        region = component_of(classes == index, row, column)
        return over_region(index, region, f"in the component {in_words(place)}", asked)

    return region_query(ask)


def border(query: TargetLike, side: Side, width: int = 3) -> Query:
    """Ask the same at the border of a region only: `R ∖ (R ⊖ square)` inside, `(R ⊕ square) ∖ R` outside.

    Args:
        query: any region, as `where_predicted("car")`.
        side: "inner" or "outer".
        width: of the border, in positions of the output. The edge of the picture is no border.

    Raises:
        PlaceError: there is no such side or width; of a picture: the region has no border.
        TargetError: the query is no region.

    Example:
        >>> edge = interp.targets.border(interp.targets.where_predicted("car"), "outer")
        >>> interp.explain("streets", "street.png", edge).target.name
        'car, where it is predicted: outer border, 3 px'
    """
    border_of(np.zeros((1, 1), bool), side, width)

    def ask(asked: Asked) -> Target:
        found = one(query, asked)
        if isinstance(found, SumTarget) and len(found.terms) == 1:
            ((factor, inner),) = found.terms
            return SumTarget.of((factor, _bordered(inner, side, width, asked)))
        return _bordered(found, side, width, asked)

    return region_query(ask)


def _bordered(target: Target, side: Side, width: int, asked: Asked) -> RegionTarget:
    if not isinstance(target, RegionTarget):
        raise TargetError(f"{target.name} is no region, so it has no border; give border a region.")
    region = border_of(target.region.cpu().numpy(), side, width)
    return over_region(target.index, region, f"{target.name}: {side} border, {width} px", asked, whole=True)


def over_region(
    wanted: Wanted, region: np.ndarray, words: str, asked: Asked, *, whole: bool = False
) -> RegionTarget:
    """Return a class over a region that is not empty; `words` are its name, or follow the class's."""
    found = torch.from_numpy(np.ascontiguousarray(region)).to(asked.logits.device)
    if not found.any():
        given = "a class" if wanted is None else _class_name(asked, wanted)
        name = words if whole else _after(given, words)
        raise PlaceError(f"{name}: the region is empty, so there is nothing to explain.")
    index = class_in(found, asked.logits, asked.labels, wanted)
    return RegionTarget(index, found, words if whole else _after(_class_name(asked, index), words))


def _class_name(asked: Asked, wanted: str | int) -> str:
    return asked.labels[asked.labels.find(wanted, len(asked.logits))]


def _after(name: str, words: str) -> str:
    return f"{name}{'' if words.startswith(',') else ' '}{words}"


def saved_region(index: int, saved: Any, name: str) -> Query:
    """Return the query for a region that a JSON holds as run lengths.

    Raises:
        PlaceError: when it is asked of an output of another size, or the runs are none.
    """

    def ask(asked: Asked) -> RegionTarget:
        size = size_of(asked)
        runs = saved.get("runs") if isinstance(saved, dict) and saved.get("size") == list(size) else None
        region = torch.from_numpy(from_runs(runs, size)).to(asked.logits.device)
        return RegionTarget(asked.labels.find(index, len(asked.logits)), region, name)

    return region_query(ask)


def region_query(ask: Callable[[Asked], Target]) -> Query:
    """Return a query that is for networks that segment, and refused in words by others."""

    def checked_ask(asked: Asked) -> tuple[Target, ...]:
        if asked.logits.dim() != 3 or asked.task == "image":
            raise TargetError(
                f"a place is asked of a network that gives every pixel a class; this one does {asked.task}. "
                "Ask for a class, or write a callable."
            )
        return (ask(asked),)

    return Query(checked_ask)


def size_of(asked: Asked) -> tuple[int, int]:
    """Return height and width of a dense output."""
    return asked.logits.shape[1], asked.logits.shape[2]
