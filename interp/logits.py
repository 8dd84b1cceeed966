"""Targets that are sums of class logits, targets that users write, and the error of all targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from interp.precision import in_full


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
                "say where. Of a segmentation ask targets.where_predicted, pixel, box or another region, of "
                "a picture targets.value, or give a callable."
            )
        output = in_full(output)
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

    def to_json(self) -> dict[str, Any]:
        """Return its name; a function cannot be saved."""
        return {"callable": self.name}


@dataclass(frozen=True)
class SumTarget:
    """A weighted sum of any targets of one output: `s = Σ_j c_j · s_j`.

    Attributes:
        terms: `(coefficient, target)` pairs; `SumTarget.of` makes them of sums, too.
        name: how it is called in pictures and reports.

    Example:
        >>> dark = CallableTarget(lambda output: -output.sum((1, 2, 3)), "dark")
        >>> SumTarget.of((2.0, dark), (-1.0, dark))(torch.ones(1, 1, 1, 3))
        tensor([-3.])
    """

    terms: tuple[tuple[float, Any], ...]
    name: str

    @classmethod
    def of(cls, *terms: tuple[float, Any]) -> SumTarget:
        """Return the sum, named as it is computed; sums within it are resolved into their terms."""
        flat: list[tuple[float, Any]] = []
        for factor, target in terms:
            inner = target.terms if isinstance(target, SumTarget) else ((1.0, target),)
            flat += [(factor * c, each) for c, each in inner]
        if len(flat) == 1 and flat[0][0] == 1:
            return cls(tuple(flat), flat[0][1].name)
        words = ""
        for factor, target in flat:
            sign = ("−" if factor < 0 else "+") if words else ("−" * (factor < 0))
            words += f" {sign} " if words else sign
            words += f"({target.name})" if abs(factor) == 1 else f"{abs(factor):g} · ({target.name})"
        return cls(tuple(flat), words)

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of any output that all terms take."""
        return torch.stack([factor * in_full(target(output)) for factor, target in self.terms]).sum(0)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; only its name where a term cannot be saved."""
        saved = [[factor, target.to_json()] for factor, target in self.terms]
        if any("callable" in value for _, value in saved):
            return {"callable": self.name}
        return {"sum": saved, "name": self.name}
