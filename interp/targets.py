"""What is asked of a network's output: plain callables that give one number for each picture.

A *target* takes the output `(B, ...)` and returns scores `(B,)`. A *query* is what a person says (`None`,
`281`, `"tiger cat"`, `contrast("cat", "dog")`, `pixel(0.3, 0.6)`, a callable); `resolve` turns it into
targets for one picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interp.asked_pictures import band, beyond_bicubic, error, gradient_energy, value
from interp.asked_regions import (
    at,
    border,
    box,
    component,
    over,
    pixel,
    polygon,
    saved_region,
    where_predicted,
)
from interp.asked_truth import where_true, where_wrong
from interp.dense import DetailTarget, RegionTarget, predicted_region
from interp.logits import CallableTarget, LogitTarget, SumTarget, TargetError
from interp.places import PlaceError
from interp.queries import (
    AnyTarget,
    Asked,
    Query,
    Several,
    Target,
    TargetLike,
    about,
    answers,
    one,
    per_picture,
    resolve,
    top,
)
from interp.regions import Seen

__all__ = [
    "AnyTarget",
    "CallableTarget",
    "LogitTarget",
    "PlaceError",
    "Query",
    "Seen",
    "Several",
    "SumTarget",
    "Target",
    "TargetError",
    "TargetLike",
    "about",
    "at",
    "band",
    "beyond_bicubic",
    "border",
    "box",
    "component",
    "contrast",
    "error",
    "from_json",
    "gradient_energy",
    "negative",
    "over",
    "per_picture",
    "pixel",
    "polygon",
    "resolve",
    "several",
    "top",
    "value",
    "where_predicted",
    "where_true",
    "where_wrong",
]


def several(*queries: AnyTarget) -> Several:
    """Ask for several targets of each picture, all from one forward pass."""
    if not queries:
        raise TargetError("several() names no target; give one or more.")
    return Several(lambda asked: tuple(target for query in queries for target in answers(query, asked)))


def contrast(wanted: TargetLike, other: TargetLike) -> Query:
    """Ask what speaks for one target rather than another: `s(wanted) − s(other)`.

    Args:
        wanted: a class, or anything else that is one target, as a region.
        other: the same.

    Example:
        >>> road, kerb = interp.targets.pixel(0.1, 0.9, "road"), interp.targets.pixel(0.1, 0.9, "kerb")
        >>> interp.explain("streets", "street.png", interp.targets.contrast(road, kerb))
    """

    def ask(asked: Asked) -> tuple[Target, ...]:
        first, second = one(wanted, asked), one(other, asked)
        if isinstance(first, LogitTarget) and isinstance(second, LogitTarget):
            return (first - second,)
        return (SumTarget.of((1.0, first), (-1.0, second)),)

    return Query(ask)


def negative(query: TargetLike) -> Query:
    """Ask what speaks against a target: `−s`.

    Args:
        query: a class, or anything else that is one target, as a region.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.negative(interp.targets.pixel(0.1, 0.9)))
    """

    def ask(asked: Asked) -> tuple[Target, ...]:
        found = one(query, asked)
        return (-found if isinstance(found, LogitTarget) else SumTarget.of((-1.0, found)),)

    return Query(ask)


def from_json(value: Mapping[str, Any]) -> TargetLike:
    """Return the query that a saved explanation's target is, `None` for one that must be given again.

    Raises:
        TargetError, PlaceError: it is not one.
    """
    if "callable" in value:
        return None
    if "sum" in value:
        return _sum(value)
    if "detail" in value:
        return DetailTarget()
    if "picture" in value:
        return _of_picture(value)
    if "place" in value:
        return at(value["place"], _index(value["class"]))
    if "region" in value:
        return saved_region(_index(value["class"]), value["region"], str(value["name"]))
    if "predicted_region" in value:
        index = value["predicted_region"]
        return Query(lambda asked: (_predicted(index, asked),))
    return LogitTarget.from_json(value)


def _sum(value: Mapping[str, Any]) -> Query:
    try:
        terms = [(float(factor), each) for factor, each in value["sum"]]
        queries = [(factor, from_json(each)) for factor, each in terms if "sum" not in each]
    except (KeyError, TypeError, ValueError) as broken:
        raise TargetError(f"the saved sum {str(value)!r:.80} is none of targets.") from broken
    if not terms or len(queries) < len(terms) or any(query is None for _, query in queries):
        raise TargetError(f"the saved sum {str(value)!r:.80} is none of targets.")
    name = str(value.get("name"))

    def ask(asked: Asked) -> tuple[Target, ...]:
        return (SumTarget(tuple((factor, one(query, asked)) for factor, query in queries), name),)

    return Query(ask)


def _of_picture(saved: Mapping[str, Any]) -> TargetLike:
    kind, place = saved["picture"], saved.get("place")
    if kind == "value":
        return value(place, channel=saved.get("channel"))
    if kind == "gradient_energy":
        return gradient_energy(place)
    if kind == "beyond_bicubic":
        return beyond_bicubic(place)
    if kind == "band":
        low, high = saved["band"]
        return band(low, high, place)
    raise TargetError(f"the saved target {kind!r:.40} is none of a picture.")


def _index(wanted: Any) -> int:
    if type(wanted) is not int:
        raise TargetError(f"the saved target's class {wanted!r:.40} is none of the model's.")
    return wanted


def _predicted(index: Any, asked: Asked) -> RegionTarget:
    if type(index) is not int or asked.logits.dim() != 3 or not 0 <= index < len(asked.logits):
        raise TargetError(f"the saved target's class {index!r:.40} is none of the model's.")
    return predicted_region(asked.logits, asked.labels, index)
