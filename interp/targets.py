"""What is asked of a network's output: plain callables that give one number for each picture.

A *target* takes the output `(B, ...)` and returns scores `(B,)`. A *query* is what a person says (`None`,
`281`, `"tiger cat"`, `contrast("cat", "dog")`, `pixel(0.3, 0.6)`, a callable); `resolve` turns it into
targets for one picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch

from interp.dense import DetailTarget, RegionTarget, predicted_region, predicted_regions, region_at
from interp.logits import CallableTarget, LogitTarget, TargetError
from interp.models.image_model import Task
from interp.models.labels import Labels
from interp.places import PlaceError, checked

__all__ = [
    "AnyTarget",
    "CallableTarget",
    "LogitTarget",
    "PlaceError",
    "Query",
    "Several",
    "Target",
    "TargetError",
    "TargetLike",
    "at",
    "box",
    "contrast",
    "from_json",
    "negative",
    "per_picture",
    "pixel",
    "resolve",
    "several",
    "top",
    "where_predicted",
]


Target = LogitTarget | CallableTarget | RegionTarget | DetailTarget


Ask = Callable[[torch.Tensor, Labels, Task], tuple[Target, ...]]


@dataclass(frozen=True)
class Query:
    """A question with one answer for each picture: made by `contrast` and `negative`."""

    ask: Ask


@dataclass(frozen=True)
class Several:
    """A question with several answers for each picture: made by `top` and `several`."""

    ask: Ask


TargetLike = None | int | str | Target | Query | Callable[[torch.Tensor], torch.Tensor]
AnyTarget = TargetLike | Several


def top(count: int) -> Several:
    """Ask for the `count` likeliest classes of each picture, all from one forward pass.

    Of a segmentation these are the classes with the largest predicted regions, each over its region; of a
    picture that a network makes, its detail.
    """
    if count < 1:
        raise TargetError(f"top({count}) asks for no class; give 1 or more.")

    def ask(logits: torch.Tensor, labels: Labels, task: Task) -> tuple[Target, ...]:
        if logits.dim() == 3 and task == "segmentation":
            return predicted_regions(logits, labels, count)
        if logits.dim() == 3 and task == "image":
            return (DetailTarget(),)
        best = _class_logits(logits).topk(min(count, logits.shape[0])).indices
        return tuple(_class(index, labels) for index in best.tolist())

    return Several(ask)


def several(*queries: AnyTarget) -> Several:
    """Ask for several targets of each picture, all from one forward pass."""
    if not queries:
        raise TargetError("several() names no target; give one or more.")
    return Several(
        lambda logits, labels, task: tuple(
            t for query in queries for t in resolve(query, logits, labels, task)
        )
    )


def contrast(wanted: TargetLike, other: TargetLike) -> Query:
    """Ask what speaks for one class rather than another: `logit(wanted) − logit(other)`."""
    return Query(lambda logits, labels, _: (_one(wanted, logits, labels) - _one(other, logits, labels),))


def negative(query: TargetLike) -> Query:
    """Ask what speaks against a class: `−logit`."""
    return Query(lambda logits, labels, _: (-_one(query, logits, labels),))


def pixel(x: float, y: float, wanted: str | int | None = None) -> Query:
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


def box(left: float, top: float, right: float, bottom: float, wanted: str | int | None = None) -> Query:
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


def where_predicted(wanted: str | int | None = None) -> Query:
    """Ask a segmentation what speaks for a class where it is predicted: the sum of its logits there.

    Args:
        wanted: name or index of the class; `None` for the one with the largest region.

    Example:
        >>> interp.explain("streets", "street.png", interp.targets.where_predicted("car"))
    """

    def ask(logits: torch.Tensor, labels: Labels, task: Task) -> tuple[Target, ...]:
        _check_segmentation(logits, task)
        if wanted is None:
            return predicted_regions(logits, labels, 1)
        found = predicted_region(logits, labels, labels.find(wanted, len(logits)))
        if not found.region.any():
            raise PlaceError(
                f"{labels[found.index]} is predicted nowhere in the picture; ask for it at a pixel or in a "
                "box."
            )
        return (found,)

    return Query(ask)


def at(place: Sequence[float], wanted: str | int | None = None) -> Query:
    """Ask as `pixel` does of `(x, y)`, and as `box` does of `(left, top, right, bottom)`.

    Raises:
        PlaceError: the place is neither.
    """
    found = checked(place)

    def ask(logits: torch.Tensor, labels: Labels, task: Task) -> tuple[Target, ...]:
        _check_segmentation(logits, task)
        return (region_at(logits, labels, found, wanted),)

    return Query(ask)


def _check_segmentation(logits: torch.Tensor, task: Task) -> None:
    if logits.dim() != 3 or task == "image":
        raise TargetError(
            f"a place is asked of a network that gives every pixel a class; this one does {task}. Ask for a "
            "class, or write a callable."
        )


def resolve(
    query: AnyTarget, logits: torch.Tensor, labels: Labels, task: Task = "classification"
) -> tuple[Target, ...]:
    """Return the targets that `query` means for one picture.

    Args:
        query: `None` for the predicted class, an index, a name, a target, a query, or a callable.
        logits: `(classes,)` of this picture (only looked at by questions about classes), or what the network
            puts out for every position, `(C, H, W)`.
        labels: the model's.
        task: the model's.

    Raises:
        LabelError: no such class.
        TargetError: a class was asked of an output that is not one row of logits.

    Example:
        >>> resolve("tiger cat", torch.zeros(1000), labels)[0].terms
        ((282, 1.0),)
    """
    if query is None:
        return top(1).ask(logits, labels, task)
    if isinstance(query, (LogitTarget, CallableTarget, RegionTarget, DetailTarget)):
        return (query,)
    if isinstance(query, (Query, Several)):
        return query.ask(logits, labels, task)
    if isinstance(query, (str, Integral)):  # numpy's integers too
        return (
            _class(
                labels.find(query if isinstance(query, str) else int(query), _class_logits(logits).shape[0]),
                labels,
            ),
        )
    if callable(query):
        return (CallableTarget(query, getattr(query, "__name__", type(query).__name__)),)
    raise TargetError(
        f"a target cannot be a {type(query).__name__}; give None, a class index or name, or a callable "
        "(output → one score for each picture)."
    )


def from_json(value: Mapping[str, Any]) -> TargetLike:
    """Return the query that a saved explanation's target is, `None` for a callable.

    Raises:
        TargetError: it is not one.
    """
    if "callable" in value:
        return None
    if "detail" in value:
        return DetailTarget()
    if "place" in value:
        wanted = value["class"]
        if type(wanted) is not int:
            raise TargetError(f"the saved target's class {wanted!r:.40} is none of the model's.")
        return at(value["place"], wanted)
    if "predicted_region" in value:
        index = value["predicted_region"]
        return Query(lambda logits, labels, _: (_predicted(index, logits, labels),))
    return LogitTarget.from_json(value)


def _predicted(index: Any, logits: torch.Tensor, labels: Labels) -> RegionTarget:
    if type(index) is not int or logits.dim() != 3 or not 0 <= index < len(logits):
        raise TargetError(f"the saved target's class {index!r:.40} is none of the model's.")
    return predicted_region(logits, labels, index)


def per_picture(target: AnyTarget | Sequence[AnyTarget], pictures: int) -> list[AnyTarget]:
    """Return one query for each picture: the same one for all, or a list of exactly as many.

    Raises:
        TargetError: a list of another length.
    """
    if not isinstance(target, (list, tuple)):
        return [target] * pictures  # type: ignore[list-item]
    if len(target) != pictures:
        raise TargetError(
            f"{len(target)} targets for {pictures} picture{'s' * (pictures != 1)}: give one, or one for each "
            "picture. For several targets of one picture use targets.several(...)."
        )
    return list(target)


def _class(index: int, labels: Labels) -> LogitTarget:
    return LogitTarget(((index, 1.0),), labels[index])


def _class_logits(logits: torch.Tensor) -> torch.Tensor:
    if logits.dim() != 1:
        raise TargetError(
            f"the output {tuple(logits.shape)} of a picture has a value for every position, so a class alone "
            "does not say where. Give a callable, or of a segmentation targets.where_predicted, pixel or box "
            "(--region)."
        )
    return logits


def _one(query: TargetLike, logits: torch.Tensor, labels: Labels) -> LogitTarget:
    found = resolve(query, logits, labels)
    if len(found) == 1 and isinstance(found[0], LogitTarget):
        return found[0]
    raise TargetError("contrast and negative take single classes; write anything else as a callable.")
