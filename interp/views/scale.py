"""What the colours of a map stand for: the range that is drawn, or why nothing can be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

Display = Literal["positive", "signed", "range"]

NO_POSITIVE_EVIDENCE: Final = "no positive evidence"

# Differences below this part of the largest value are float32 rounding, not evidence.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class Scale:
    """The values that the first and the last colour stand for.

    Attributes:
        low: value of the first colour. With a verdict: the map's smallest finite value, or NaN.
        high: value of the last colour. With a verdict: the map's largest finite value, or NaN.
        display: "positive" draws [0, max] and cuts negative values, "signed" draws [-m, m] with
            zero in the neutral middle, "range" draws [min, max].
        verdict: in words, why there is nothing to draw; None where there is something.
        beyond: share of the map's positions whose values lie outside `low` … `high` although the display
            draws values of that kind; they have the first or the last colour.

    Raises:
        ValueError: the limits are not finite, not in order, or do not fit the display.
    """

    low: float
    high: float
    display: Display
    verdict: str | None = None
    beyond: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        check_display(self.display)
        if self.verdict is not None:
            return
        given = f"limits ({self.low}, {self.high})"
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{given}: give two finite numbers, the smaller one first")
        if self.display == "positive" and self.low != 0:
            raise ValueError(f"{given} do not fit display 'positive', which starts at 0")
        if self.display == "signed" and self.low != -self.high:
            raise ValueError(f"{given} do not fit display 'signed': give (-m, m)")

    @staticmethod
    def of(
        map: npt.ArrayLike,
        display: Display = "positive",
        limits: tuple[float, float] | None = None,
        share: float = 1.0,
    ) -> Scale:
        """The scale that a map is drawn with.

        Args:
            map: raw values, (height, width).
            display: which part of the values is drawn.
            limits: draw these values instead of the map's own (a scale shared by several maps).
                A flat map can then be drawn, as nothing is stretched.
            share: of the positions, whose values the colours span. Maps of single pixels have a few
                extreme values that would leave all others pale; below 1 these are cut.

        Returns:
            A scale, with a verdict where the map has values that are not finite, where "positive"
            finds no positive value (above rounding: 1e-6 of the most negative one), or where all
            values are the same (to 1e-6 of the largest).

        Raises:
            ValueError: the map is not two-dimensional or is empty, or the limits do not fit.

        Example:
            >>> Scale.of([[-1.0, -2.0]], "positive").verdict
            'no positive evidence'
            >>> Scale.of([[-1.0, 3.0]], "signed")
            Scale(low=-3.0, high=3.0, display='signed', verdict=None)
        """
        check_display(display)
        values = as_map(map)
        low, high = _extremes(values)
        verdict = _verdict(values, low, high, display, stretched=limits is None)
        if verdict is not None:
            return Scale(low, high, display, verdict)
        ends = _ends(values, display, share) if limits is None else limits
        return Scale(*ends, display, beyond=_beyond(values, *ends, display))

    @property
    def ends(self) -> tuple[str, str]:
        """What the first and the last colour stand for: "0", "0.0123"; "≥ 0.0123" where values are cut."""
        low, high = number(self.low), number(self.high)
        if not self.beyond:
            return low, high
        return (low if self.display == "positive" else f"≤ {low}"), f"≥ {high}"

    @property
    def text(self) -> str:
        """The range in words, as "0 … 0.0123", and what of the map lies beyond it."""
        low, high = self.ends
        return f"{low} … {high}" + (f" ({self.cut} beyond)" if self.beyond else "")

    @property
    def cut(self) -> str:
        """The share of the positions that lies beyond the ends, as "1 %"."""
        return "< 1 %" if 0 < self.beyond < 0.005 else f"{100 * self.beyond:.0f} %"

    @property
    def nothing(self) -> float:
        """Where "nothing there" lies between the first colour (0) and the last one (1)."""
        return 0.5 if self.display == "signed" else 0.0


def normalise(map: npt.ArrayLike, scale: Scale) -> npt.NDArray[np.float32]:
    """Where each value lies between the first and the last colour.

    `(value - low) / (high - low)`, cut to [0, 1]. With a verdict every position is
    `scale.nothing`.

    Args:
        map: raw values, (height, width).
        scale: the range to draw.

    Returns:
        float32 in [0, 1], the map's shape.

    Raises:
        ValueError: the map is not two-dimensional, is empty, or has values that are not finite
            while the scale has no verdict (`Scale.of` of this very map would have said so).

    Example:
        >>> normalise([[-1.0, 1.0, 2.0]], Scale(0.0, 2.0, "positive")).tolist()
        [[0.0, 0.5, 1.0]]
    """
    values = as_map(map)
    if scale.verdict is not None:
        return np.full(values.shape, scale.nothing, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ValueError(
            "map has non-finite values and the scale was made without it; "
            "take Scale.of(map, display, limits), whose verdict says so"
        )
    # In float64, as the width of a range may be more than float32 holds.
    level = (values.astype(np.float64) - scale.low) / (scale.high - scale.low)
    return np.clip(level, 0.0, 1.0).astype(np.float32)


def shared_limits(
    maps: Iterable[npt.ArrayLike], display: Display, shares: Iterable[float] | None = None
) -> tuple[float, float] | None:
    """Limits under which several maps can be compared by their colours.

    Args:
        maps: raw maps, each (height, width); those with values that are not finite are left out.
        display: which part of the values is drawn.
        shares: for each map the share of its positions that the colours span; all where None.

    Returns:
        `limits` for `Scale.of`, or None where no map has anything to draw.

    Raises:
        ValueError: a map is not two-dimensional or is empty.

    Example:
        >>> shared_limits([[[0.0, 1.0]], [[-3.0, 2.0]]], "positive")
        (0.0, 2.0)
    """
    check_display(display)
    arrays = [as_map(map) for map in maps]
    spans = [1.0] * len(arrays) if shares is None else list(shares)
    given = zip(arrays, spans, strict=True)
    ends = [_ends(values, display, share) for values, share in given if np.isfinite(values).all()]
    if not ends:
        return None
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return (low, high) if low < high else None


def as_map(map: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """A map as float32, checked.

    Raises:
        ValueError: the map is not two-dimensional or is empty.

    Example:
        >>> as_map([[1, 2]]).dtype
        dtype('float32')
    """
    # A float64 too large for float32 becomes infinite, and the verdict then says so.
    with np.errstate(over="ignore"):
        values = np.asarray(map).astype(np.float32, copy=False)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"map has shape {values.shape}: give (height, width), none of them 0")
    return values


def check_display(display: Display) -> Display:
    """Return `display` where it is one of the three.

    Raises:
        ValueError: it is not.

    Example:
        >>> check_display("signed")
        'signed'
    """
    if display not in get_args(Display):
        names = ", ".join(map(repr, get_args(Display)))
        raise ValueError(f"display {display!r}: give one of {names}")
    return display


def number(value: float) -> str:
    """A number for people: three significant digits, a real minus sign.

    Example:
        >>> number(0.01234), number(1234.5), number(1.2e9), number(0.0)
        ('0.0123', '1234', '1.2e9', '0')
    """
    size = abs(value)
    if 999.5 <= size < 99_999.5:
        text = f"{value:.0f}"
    elif size == 0:
        text = "0"
    else:
        text = f"{value:.3g}"
    mantissa, e, exponent = text.partition("e")
    # "inf" has no exponent, "1.2e-05" has one that is padded and signed for machines.
    text = f"{mantissa}e{int(exponent)}" if e else mantissa
    return text.replace("-", "\N{MINUS SIGN}")


def _extremes(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (math.nan, math.nan)


def _ends(values: npt.NDArray[np.float32], display: Display, share: float) -> tuple[float, float]:
    """What is drawn of a finite map: all of its values, or those of a share of its positions."""
    low, high = _drawn(*_extremes(values), display)
    if share >= 1:
        return low, high
    if display == "range":
        rest = (1 - share) / 2
        less, more = (float(end) for end in np.quantile(values, (rest, 1 - rest)))
    else:
        size = np.abs(values) if display == "signed" else np.maximum(values, 0)
        less, more = _drawn(0.0, float(np.quantile(size, share)), display)
    # Where fewer positions than the rest have any value at all, all of them are drawn.
    return (less, more) if less < more else (low, high)


def _beyond(values: npt.NDArray[np.float32], low: float, high: float, display: Display) -> float:
    outside = values > high if display == "positive" else (values < low) | (values > high)
    return float(outside.mean())


def _drawn(low: float, high: float, display: Display) -> tuple[float, float]:
    if display == "positive":
        return 0.0, high
    if display == "signed":
        largest = max(abs(low), abs(high))
        return -largest, largest
    return low, high


def _verdict(
    values: npt.NDArray[np.float32], low: float, high: float, display: Display, *, stretched: bool
) -> str | None:
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        return f"map has non-finite values (NaN or infinity at {bad} of {values.size} positions)"
    if display == "positive" and high <= _ROUNDING * abs(low):
        return NO_POSITIVE_EVIDENCE
    if stretched and high - low <= _ROUNDING * max(abs(low), abs(high)):
        return f"flat map: every position has the same value ({number(high)})"
    return None
