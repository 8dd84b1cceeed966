"""What is measured in a patch of a picture that a network makes, as it is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.models import ImageModel
    from interp.targets import Query, Target

PLAIN = ("gradient-energy", "value", "beyond-bicubic")


@dataclass(frozen=True)
class Measure:
    """What was typed.

    Attributes:
        kind: one of `PLAIN`, "band" or "error".
        band: its two frequencies.
        path: of a reference picture, or of a folder with one for each picture.
    """

    kind: str
    band: tuple[float, float] = (0.0, 0.0)
    path: Path | None = None


def read_measure(text: str | None) -> Measure | None:
    """Return what was typed, checked as far as it can be without a picture.

    Raises:
        TargetError: it is no measure, and the message lists what is one.
    """
    from interp import targets

    if text is None:
        return None
    if text in PLAIN:
        return Measure(text)
    kind, _, value = text.partition(":")
    if kind == "band":
        try:
            low, high = map(float, value.split(","))
        except ValueError as error:
            raise targets.TargetError(
                f"--measure {text}: give two frequencies, as in band:0.25,0.5."
            ) from error
        targets.band(low, high)
        return Measure(kind, band=(low, high))
    if kind == "error":
        path = Path(value).expanduser()
        if not value or not path.exists():
            raise targets.TargetError(f"--measure {text}: there is no file or folder {value!r}.")
        return Measure(kind, path=path)
    raise targets.TargetError(
        f"--measure {text}: give {', '.join(PLAIN)}, band:LOW,HIGH or error:FILE of the picture to be made."
    )


def check_measure(model: ImageModel, measure: Measure | None) -> None:
    """Refuse to measure the picture of a network that makes none.

    Raises:
        TargetError: it does something else.
    """
    from interp.targets import TargetError

    if measure is not None and model.task != "image":
        raise TargetError(
            f"--measure is for networks that make pictures; {model.name} does {model.task}. Leave it out."
        )


def measured(measure: Measure | None, place: tuple[float, ...] | None, picture: Path) -> Query | Target:
    """Return what is asked of a patch; if nothing was typed, a box's sharpness or a pixel's value."""
    from interp import targets

    if measure is None:
        one = place is not None and len(place) == 2
        measure = Measure("value" if one else "gradient-energy")
    if measure.kind == "band":
        return targets.band(*measure.band, place)
    if measure.path is not None:
        return targets.error(_reference(measure.path, picture), place)
    if measure.kind == "value":
        return targets.value(place)
    return (targets.beyond_bicubic if measure.kind == "beyond-bicubic" else targets.gradient_energy)(place)


def _reference(path: Path, picture: Path) -> Path:
    """Return the reference of a picture: the one that was given, or that of its name in a folder."""
    if not path.is_dir():
        return path
    found = sorted(each for each in path.iterdir() if each.stem == picture.stem)
    return found[0] if found else path / picture.name
