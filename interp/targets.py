"""What is asked of a network's output: plain callables that give one number for each picture.

A *target* takes the output `(B, ...)` and returns scores `(B,)`. A *query* is what a person says (`None`,
`281`, `"tiger cat"`, `contrast("cat", "dog")`, a callable); `resolve` turns it into targets for one picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch

from interp.dense import DetailTarget, RegionTarget, predicted_region, predicted_regions
from interp.models.image_model import Task
from interp.models.labels import Labels


class TargetError(ValueError):
    """A target does not fit the output, the labels or the number of pictures."""


@dataclass(frozen=True)
class LogitTarget:
    """A sum of class logits: `s = Σ_j c_j · logit_j`. Targets add, subtract, scale and negate.

    Attributes:
        terms: `(class index, coefficient)` pairs.
        name: how it is called in pictures and reports.

    Example:
        >>> cat, dog = LogitTarget(((281, 1.0),), "cat"), LogitTarget(((207, 1.0),), "dog")
        >>> (cat - dog)(output).shape
        torch.Size([2])
    """

    terms: tuple[tuple[int, float], ...]
    name: str

    def __post_init__(self) -> None:
        if not self.terms:
            raise TargetError(
                f"the target {self.name!r} has no terms; give one (class, coefficient) at least."
            )

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, classes)` logits."""
        if output.dim() != 2:
            raise TargetError(
                f"the output {tuple(output.shape)} has a value for every position, so a class alone does not "
                "say where. Give a callable, e.g. lambda output: output[:, 3].sum((1, 2))."
            )
        indices = [index for index, _ in self.terms]
        if not all(0 <= index < output.shape[1] for index in indices):
            raise TargetError(f"{self.name} asks for class {max(indices, key=abs)} of {output.shape[1]}.")
        # One slice for each term: its backward pass takes half of that of an index and a product.
        scores = [output[:, index] if c == 1 else c * output[:, index] for index, c in self.terms]
        return torch.stack(scores).sum(0) if len(scores) > 1 else scores[0]

    def __add__(self, other: LogitTarget) -> LogitTarget:
        return LogitTarget(self.terms + other.terms, f"{self.name} + {other.name}")

    def __sub__(self, other: LogitTarget) -> LogitTarget:
        return LogitTarget(self.terms + (-other).terms, f"{self.name} − {other._factor}")

    def __neg__(self) -> LogitTarget:
        return LogitTarget(tuple((i, -c) for i, c in self.terms), f"−{self._factor}")

    def __rmul__(self, factor: float) -> LogitTarget:
        return LogitTarget(tuple((i, factor * c) for i, c in self.terms), f"{factor:g} · {self._factor}")

    @property
    def _factor(self) -> str:
        return f"({self.name})" if len(self.terms) > 1 else self.name

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `from_json`."""
        return {"terms": [list(term) for term in self.terms], "name": self.name}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LogitTarget:
        """Make it again from `to_json`.

        Raises:
            TargetError: the terms are not pairs of numbers.
        """
        try:
            return cls(tuple((int(i), float(c)) for i, c in value["terms"]), str(value["name"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TargetError(f"the target {value!r} is not a list of [class, coefficient].") from error


@dataclass(frozen=True)
class CallableTarget:
    """A user's own target, `(B, ...) → (B,)`, with a name."""

    function: Callable[[torch.Tensor], torch.Tensor]
    name: str

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores, or raise `TargetError` when the function gives another shape."""
        scores = self.function(output)
        if not isinstance(scores, torch.Tensor) or scores.shape != output.shape[:1]:
            shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise TargetError(
                f"the target {self.name} gave {shape}; it must give one score for each picture."
            )
        return scores


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
            "does not say where. Give a callable, e.g. lambda output: output[:, 3].sum((1, 2))."
        )
    return logits


def _one(query: TargetLike, logits: torch.Tensor, labels: Labels) -> LogitTarget:
    found = resolve(query, logits, labels)
    if len(found) == 1 and isinstance(found[0], LogitTarget):
        return found[0]
    raise TargetError("contrast and negative take single classes; write anything else as a callable.")
