"""What is asked of a network that makes pictures: super-resolution, restoration, generators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from interp.images import open_image
from interp.images.opening import Source
from interp.logits import TargetError
from interp.picture_targets import HIGHEST, BandTarget, ErrorTarget, GradientEnergyTarget, ValueTarget
from interp.places import Place, checked
from interp.queries import Asked, Query, Target

Where = Sequence[float] | None


def value(place: Where = None, *, channel: int | None = None) -> ValueTarget:
    """Ask for the value of the picture that a network makes in a patch: `s = Σ_c Σ_(i,j) in patch x_c(i, j)`.

    Args:
        place: `(x, y)` of a pixel or `(left, top, right, bottom)` of a box, in fractions, 0 … 1, of the
            output; `None` for all of it.
        channel: index of the only channel that counts; `None` for all.

    Raises:
        PlaceError: the place is none.

    Example:
        >>> interp.explain("sharper", "small.png", interp.targets.value((0.4, 0.4, 0.6, 0.6))).target.name
        'value of the output in the box (0.40, 0.40) – (0.60, 0.60)'
    """
    if channel is not None and (type(channel) is not int or channel < 0):
        raise TargetError(f"the channel {channel!r} is none; give an index, 0 or more.")
    return ValueTarget(_place(place), channel)


def gradient_energy(place: Where = None) -> GradientEnergyTarget:
    """Ask for the sharpness of a patch: `s = Σ (x(i, j+1) − x(i, j))² + (x(i+1, j) − x(i, j))²`.

    Args:
        place: a box as in `value`.

    Raises:
        PlaceError: the place is none.

    Example:
        >>> interp.explain("sharper", "small.png", interp.targets.gradient_energy((0.4, 0.4, 0.6, 0.6)))
    """
    return GradientEnergyTarget(_place(place))


def band(low: float, high: float, place: Where = None) -> BandTarget:
    """Ask for the energy in a band of frequencies: `s = Σ_(low ≤ |f| < high) |F(f)|² / HW` of the patch.

    Args:
        low: in cycles per pixel of the output, 0 … 0.71; 0 is the mean.
        high: more than `low`; 0.5 alternates from pixel to pixel, 0.71 does so on both axes.
        place: a box as in `value`.

    Raises:
        PlaceError: the place is none.
        TargetError: there is no such band.

    Example:
        >>> interp.explain("sharper", "small.png", interp.targets.band(0.25, 0.5)).target.name
        'energy from 0.25 to 0.5 cycles per pixel'
    """
    ends = (low, high)
    if not all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends) or not (
        0 <= low < high and low <= HIGHEST
    ):
        raise TargetError(
            f"the band from {low!r} to {high!r} is none; give two frequencies, 0 … 0.71 cycles per pixel, "
            "the lower first."
        )
    return BandTarget(float(low), float(high), _place(place))


def error(reference: Source | torch.Tensor, place: Where = None) -> Query:
    """Ask for the error against a reference picture: `s = Σ_c Σ_(i,j) in patch (x_c(i, j) − r_c(i, j))²`.

    A JSON does not keep the reference; `interp.remake` wants the target again.

    Args:
        reference: the picture as it should be, whatever `open_image` takes: cut, resized and normalised as
            the network's own pictures are, then bicubic to the output's size. Or a float tensor `(C, H, W)`
            of the output's shape, in its units.
        place: a pixel or a box as in `value`.

    Raises:
        PlaceError: the place is none.
        ImageError: the reference cannot be opened.
        TargetError: when it is asked: the shapes differ, or the preprocessing is not known, because nobody
            said which picture it is. `interp.explain` does.

    Example:
        >>> interp.explain("sharper", "small.png", interp.targets.error("large.png")).target.name
        'error against the reference'
    """
    found = _place(place)
    if isinstance(reference, torch.Tensor) and reference.is_floating_point():
        held = reference.detach().clone()
        return Query(lambda asked: _error(asked, held, "error against the reference", found))
    opened = open_image(reference)

    def ask(asked: Asked) -> tuple[Target, ...]:
        if asked.seen is None:
            raise _unseen("error")
        prepared = asked.seen.preprocess(opened)
        return _error(asked, resized(prepared, asked.logits), "error against the reference", found)

    return Query(ask)


def beyond_bicubic(place: Where = None) -> Query:
    """Ask what the network adds to its input: `s = Σ_c Σ_(i,j) in patch (x_c(i, j) − bicubic_c(i, j))²`.

    The input is what the network gets, so of a network whose output has the size of its input it is the input
    itself; the output must be normalised as the input is.

    Args:
        place: a pixel or a box as in `value`.

    Raises:
        PlaceError: the place is none.
        TargetError: when it is asked: the output has other channels than the input, or the picture is not
            known. `interp.explain` knows it.

    Example:
        >>> interp.explain("sharper", "small.png", interp.targets.beyond_bicubic()).target.name
        'output beyond bicubic'
    """
    found = _place(place)

    def ask(asked: Asked) -> tuple[Target, ...]:
        if asked.seen is None:
            raise _unseen("beyond_bicubic")
        prepared = asked.seen.preprocess(asked.seen.picture)
        reference = resized(prepared, asked.logits)
        return _error(asked, reference, "output beyond bicubic", found, "beyond_bicubic")

    return Query(ask)


def resized(picture: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a picture `(C, h, w)` bicubic in the size of an output `(C, H, W)`; unchanged if it has it."""
    if picture.shape[1:] == like.shape[1:]:
        return picture
    smaller = picture.shape[1] > like.shape[1] or picture.shape[2] > like.shape[2]
    return F.interpolate(picture[None], like.shape[1:], mode="bicubic", antialias=smaller)[0]


def _error(
    asked: Asked, reference: torch.Tensor, what: str, place: Place | None, saved: str | None = None
) -> tuple[Target, ...]:
    found = ErrorTarget(reference.to(asked.logits.device), what, place, saved)
    found(asked.logits[None])  # says where the shapes differ
    return (found,)


def _place(place: Where) -> Place | None:
    return None if place is None else checked(place)


def _unseen(what: str) -> TargetError:
    return TargetError(
        f"targets.{what} needs the picture and its preprocessing: ask through interp.explain, or give "
        "resolve(..., seen=...)."
    )
