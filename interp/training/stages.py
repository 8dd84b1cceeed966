"""One stretch of training: how many epochs, at which size, how much frozen, at which rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, get_type_hints

_TRUTHS = {"": True, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
# What a stage's values are. Those of another version, or edited by hand, may be anything that JSON has.
_KINDS: dict[str, tuple[type, str]] = {
    "name": (str, "text"),
    "epochs": (Integral, "a whole number"),
    "lr": (Real, "a number"),
    "size": (Integral, "a whole number"),
    "batch": (Integral, "a whole number"),
    "lr_low": (Real, "a number"),
    "frozen": (bool, "True or False"),
    "pct_start": (Real, "a number"),
    "flat": (bool, "True or False"),
    "part": (str, "text"),
}


class TrainingError(ValueError):
    """A recipe's setting is wrong, or a run cannot begin or go on; the message says what would work."""


@dataclass(frozen=True)
class Stage:
    """A stretch of epochs with one schedule.

    Args:
        name: of the stage in the log, the figures and the names of checkpoints.
        epochs: at least 1.
        lr: the highest learning rate, of the last layer group.
        lr_low: of the first layer group, those between in even multiples; without it every group but the
            last gets a tenth of `lr`.
        size: of the pictures: the side of a square, or the height where the recipe has a shape.
        batch: pictures in a step.
        frozen: train only the last layer group and the batch norms.
        pct_start: the part of the one-cycle schedule in which the rate rises, 0 … 1.
        flat: a constant rate instead of one cycle.
        part: which of several networks learns, in recipes that have several.

    Raises:
        TrainingError: a value of another kind, or out of its range.

    Example:
        >>> Stage("frozen", epochs=3, lr=1e-2, size=224, frozen=True, pct_start=0.8)
    """

    name: str
    epochs: int
    lr: float
    size: int
    batch: int = 64
    lr_low: float | None = None
    frozen: bool = False
    pct_start: float = 0.25
    flat: bool = False
    part: str = ""

    def __post_init__(self) -> None:
        for key, (kind, what) in _KINDS.items():
            value = getattr(self, key)
            if value is None and key == "lr_low":
                continue
            if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
                raise TrainingError(f"the stage {self.name!r:.40} has {key}={value!r:.40}; give {what}.")
        ranges = {
            "epochs": (1, 100_000),
            "lr": (0, 1e3),
            "lr_low": (1e-12, 1e3),  # the groups between get multiples of it
            "size": (16, 4096),
            "batch": (2, 65_536),
            "pct_start": (0.001, 0.999),
        }
        for key, (least, most) in ranges.items():
            value = getattr(self, key)
            if value is None and key == "lr_low":
                continue
            if not least <= value <= most:  # NaN is neither
                raise TrainingError(f"the stage {self.name!r} has {key}={value:g}; give {least} … {most}.")

    @property
    def rate(self) -> float | slice:
        """The learning rate as fastai takes it."""
        return slice(self.lr_low, self.lr)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `Stage(**values)` is the same stage."""
        return asdict(self)


def parse_stage(text: str, like: Stage) -> Stage:
    """Return the stage that a person wrote as `epochs=3 lr=1e-2 size=224 frozen`.

    Args:
        text: `key=value` pairs and the words `frozen` and `flat`, parted by blanks or commas.
        like: gives what is not said, but for `frozen` and `lr_low`.

    Raises:
        TrainingError: an unknown key, or a value that is not a number.

    Example:
        >>> parse_stage("epochs=2 lr=1e-3 lr_low=1e-6", Stage("1", 3, 1e-2, 224)).lr_low
        1e-06
    """
    types = get_type_hints(Stage)
    given: dict[str, Any] = {"lr_low": None, "frozen": False}
    for word in text.replace(",", " ").split():
        key, equals, value = word.partition("=")
        if key not in types or (not equals and types[key] is not bool):
            known = ", ".join(field.name for field in fields(Stage))
            raise TrainingError(
                f"--stage {text!r}: {word!r} is not one of {known}, as in 'epochs=3 lr=1e-2'."
            )
        given[key] = _value(key, value, types[key], text)
    return Stage(**{**like.to_json(), **given})


def _value(key: str, value: str, kind: Any, text: str) -> Any:
    if kind is bool:
        if value.lower() not in _TRUTHS:
            raise TrainingError(f"--stage {text!r}: {key}={value!r} is neither yes nor no.")
        return _TRUTHS[value.lower()]
    if kind is str:
        return value
    try:
        return int(value) if kind is int else float(value)
    except ValueError as error:
        raise TrainingError(f"--stage {text!r}: {key}={value!r} is not a number.") from error


def from_json(values: Mapping[str, Any]) -> Stage:
    """Return the stage that `Stage.to_json` gave."""
    return Stage(**values)
