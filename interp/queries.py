"""Questions and what they mean for one picture: `resolve` turns a query into targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TypeVar

import torch

from interp.dense import DetailTarget, RegionTarget, predicted_regions
from interp.logits import CallableTarget, LogitTarget, SumTarget, TargetError
from interp.models.image_model import Task
from interp.models.labels import Labels
from interp.picture_targets import BandTarget, ErrorTarget, GradientEnergyTarget, ValueTarget
from interp.places import Place
from interp.regions import Seen

Target = (
    LogitTarget
    | CallableTarget
    | SumTarget
    | RegionTarget
    | DetailTarget
    | ValueTarget
    | GradientEnergyTarget
    | ErrorTarget
    | BandTarget
)
_TARGETS = (
    LogitTarget,
    CallableTarget,
    SumTarget,
    RegionTarget,
    DetailTarget,
    ValueTarget,
    GradientEnergyTarget,
    ErrorTarget,
    BandTarget,
)


@dataclass(frozen=True)
class Asked:
    """What a query is asked about: the output of one picture.

    Attributes:
        logits: `(classes,)`, or what the network puts out for every position, `(C, H, W)`.
        labels: the model's.
        task: the model's.
        seen: the picture, if it is known.
    """

    logits: torch.Tensor
    labels: Labels
    task: Task
    seen: Seen | None = None


Ask = Callable[[Asked], tuple[Target, ...]]


@dataclass(frozen=True)
class Query:
    """A question with one answer for each picture: made by `contrast`, `negative` and all regions."""

    ask: Ask
    seen: Seen | None = None


@dataclass(frozen=True)
class Several:
    """A question with several answers for each picture: made by `top` and `several`."""

    ask: Ask
    seen: Seen | None = None


TargetLike = None | int | str | Target | Query | Callable[[torch.Tensor], torch.Tensor]
AnyTarget = TargetLike | Several
_Any = TypeVar("_Any", bound=AnyTarget)


def about(query: _Any, seen: Seen) -> _Any:
    """Return the same question about a picture that is known: masks of its size have a meaning then.

    Args:
        query: any; only queries change.
        seen: the picture, and how the network sees it.
    """
    return replace(query, seen=seen) if isinstance(query, (Query, Several)) else query


def top(count: int) -> Several:
    """Ask for the `count` likeliest classes of each picture, all from one forward pass.

    Of a segmentation these are the classes with the largest predicted regions, each over its region; of a
    picture that a network makes, its detail.
    """
    if count < 1:
        raise TargetError(f"top({count}) asks for no class; give 1 or more.")

    def ask(asked: Asked) -> tuple[Target, ...]:
        logits, labels = asked.logits, asked.labels
        if logits.dim() == 3 and asked.task == "segmentation":
            return predicted_regions(logits, labels, count)
        if logits.dim() == 3 and asked.task == "image":
            return (DetailTarget(),)
        best = _class_logits(asked).topk(min(count, logits.shape[0])).indices
        return tuple(_class(index, labels) for index in best.tolist())

    return Several(ask)


def resolve(
    query: AnyTarget,
    logits: torch.Tensor,
    labels: Labels,
    task: Task = "classification",
    seen: Seen | None = None,
) -> tuple[Target, ...]:
    """Return the targets that `query` means for one picture.

    Args:
        query: `None` for the predicted class, an index, a name, a target, a query, or a callable.
        logits: `(classes,)` of this picture (only looked at by questions about classes), or what the network
            puts out for every position, `(C, H, W)`.
        labels: the model's.
        task: the model's.
        seen: the picture, for masks of its size.

    Raises:
        LabelError: no such class.
        TargetError: a class was asked of an output that is not one row of logits.
        PlaceError: a region is none of this output, or empty.

    Example:
        >>> resolve("tiger cat", torch.zeros(1000), labels)[0].terms
        ((282, 1.0),)
    """
    return answers(query, Asked(logits, labels, task, seen))


def answers(query: AnyTarget, asked: Asked) -> tuple[Target, ...]:
    """Return what `resolve` does."""
    if query is None:
        return top(1).ask(asked)
    if isinstance(query, _TARGETS):
        return (query,)
    if isinstance(query, (Query, Several)):
        return query.ask(asked if query.seen is None else replace(asked, seen=query.seen))
    if isinstance(query, (str, Integral)):  # numpy's integers too
        count = _class_logits(asked, query).shape[0]
        wanted = query if isinstance(query, str) else int(query)
        return (_class(asked.labels.find(wanted, count), asked.labels),)
    if callable(query):
        return (CallableTarget(query, getattr(query, "__name__", type(query).__name__)),)
    raise TargetError(
        f"a target cannot be a {type(query).__name__}; give None, a class index or name, or a callable "
        "(output → one score for each picture)."
    )


def one(query: TargetLike, asked: Asked) -> Target:
    """Return the only answer.

    Raises:
        TargetError: there are several.
    """
    found = answers(query, asked)
    if len(found) != 1:
        raise TargetError("contrast, negative and border take one target, not several.")
    return found[0]


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


def _class_logits(asked: Asked, wanted: object = None) -> torch.Tensor:
    shape = tuple(asked.logits.shape)
    if asked.logits.dim() == 1:
        return asked.logits
    if asked.task == "image":
        raise TargetError(
            f"the output {shape} is a picture, so there is no class to ask for. Ask for a part of it: "
            "targets.value, gradient_energy, error, band or beyond_bicubic; or give a callable."
        )
    if asked.task == "segmentation":
        raise TargetError(
            f"the output {shape} has a value for every position, so a class alone does not say where. Ask "
            f"for it where it is predicted, targets.where_predicted({wanted!r}) (--region predicted), or at "
            "a pixel, in a box, over a mask; or give a callable."
        )
    raise TargetError(
        f"the output {shape} of a picture has a value for every position, so a class alone does not say "
        "where. Give a callable, or load the network with task='segmentation' or 'image', and ask for a "
        "region."
    )


def places_of(target: Target) -> tuple[Place, ...]:
    """Return the pixels and boxes that a target asks about; none of one that asks about something else.

    Example:
        >>> places_of(ValueTarget((0.5, 0.5)))
        ((0.5, 0.5),)
    """
    terms = target.terms if isinstance(target, SumTarget) else ((1.0, target),)
    found = [getattr(each, "place", None) for _, each in terms]
    return tuple(dict.fromkeys(place for place in found if place is not None))
