"""From numbers of many pictures to an answer: means with intervals, what is told apart, a ranking.

Intervals are the 2.5 and the 97.5 % quantile of the means of pictures drawn with replacement. The same draws
serve all methods and metrics, so that differences and ranks are compared picture by picture.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from interp.metrics.registry import Better

Numbers = npt.NDArray[np.float64]
SAMPLES = 2000
_ENDS = (2.5, 97.5)
_FEWEST = 2  # pictures that an interval needs
# Means that differ by less are rounding, and share a rank.
_DIGITS = 6

Apart = Literal["best", "alike", "apart", "unknown"]
"""The best itself; not told apart from it; told apart from it; or too few pictures to say."""


@dataclass(frozen=True)
class Interval:
    """A number with its uncertainty.

    Attributes:
        mean: over pictures.
        low: lower end of the 95 % interval; NaN for fewer than two pictures.
        high: upper end.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Cell:
    """What one metric says of one method.

    Attributes:
        method: its name.
        metric: its name.
        value: the mean over pictures.
        chance: mean of what a map that knows nothing would get, NaN where that is not known.
        pictures: how many gave a number.
        missing: how many did not.
        difference: to the best method, over the pictures that both have.
        apart: whether it is told apart from the best.
    """

    method: str
    metric: str
    value: Interval
    chance: float
    pictures: int
    missing: int
    difference: Interval
    apart: Apart


@dataclass(frozen=True)
class Rank:
    """A method's mean rank over the metrics; 1 is best.

    Attributes:
        method: its name.
        value: the mean rank; NaN for a method without any number.
        difference: to the best method.
        apart: whether it is told apart from the best.
    """

    method: str
    value: Interval
    difference: Interval
    apart: Apart


def drawn(pictures: int, samples: int = SAMPLES, seed: int = 0) -> Numbers:
    """Return how often each picture is drawn in each sample, `(samples, pictures)`.

    Example:
        >>> drawn(3, samples=2).sum(1).tolist()
        [3.0, 3.0]
    """
    if pictures == 0:
        return np.zeros((samples, 0))
    generator = np.random.default_rng(seed)
    return generator.multinomial(pictures, np.full(pictures, 1 / pictures), size=samples).astype(float)


def means(values: Numbers, draws: Numbers) -> Numbers:
    """Return the means `(samples, ...)` of values `(pictures, ...)`; NaN is left out."""
    shape = len(values), math.prod(values.shape[1:])
    known = np.isfinite(values).reshape(shape)
    flat = np.where(known, values.reshape(shape), 0.0)
    count = draws @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (draws @ flat) / count
    return found.reshape(len(draws), *values.shape[1:])


def interval(values: Numbers, draws: Numbers) -> Interval:
    """Return the mean of values `(pictures,)` with its interval; NaN is left out.

    Example:
        >>> interval(np.array([1.0, 3.0, np.nan]), drawn(3)).mean
        2.0
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(math.nan)
    if len(known) < _FEWEST:
        return Interval(float(known.mean()))
    return Interval(float(known.mean()), *_ends(means(values, draws)))


def cells(
    values: Numbers,
    chances: Numbers,
    methods: Sequence[str],
    metrics: Sequence[str],
    better: Sequence[Better],
    draws: Numbers,
    candidates: Sequence[int] | None = None,
    floors: Sequence[float] | None = None,
) -> tuple[Cell, ...]:
    """Return a `Cell` for every method and metric, by metric.

    Args:
        values: `(pictures, methods, metrics)`, NaN where there is no number.
        chances: the same of chance.
        methods: names.
        metrics: names.
        better: which end of each metric is good.
        draws: from `drawn`.
        candidates: rows of the methods that may be the best; default: all. Controls are there to be beaten.
        floors: for each metric the value under which nothing gets better: a map that contradicts the one of
            random weights is no better than one that has nothing in common with it. Default: −∞.
    """
    found = []
    for column, metric in enumerate(metrics):
        floor = -math.inf if floors is None else floors[column]
        each = [interval(values[:, row, column], draws) for row in range(len(methods))]
        scores = [_sign(better[column]) * max(one.mean, floor) for one in each]
        best = _best(scores, candidates)
        for row, method in enumerate(methods):
            given = values[:, row, column]
            count = int(np.isfinite(given).sum())
            gap = interval(given - values[:, best, column], draws) if best is not None else Interval(math.nan)
            found.append(
                Cell(
                    method,
                    metric,
                    each[row],
                    _mean(chances[:, row, column]),
                    count,
                    len(given) - count,
                    gap,
                    _standing(row, best, gap, scores),
                )
            )
    return tuple(found)


def _standing(row: int, best: int | None, gap: Interval, scores: Sequence[float]) -> Apart:
    if row == best:
        return "best"
    level = best is not None and scores[row] == scores[best] and not math.isnan(gap.low)
    return "alike" if level else _apart(gap)


def ranks(
    values: Numbers,
    methods: Sequence[str],
    better: Sequence[Better],
    draws: Numbers,
    candidates: Sequence[int] | None = None,
    floors: Sequence[float] | None = None,
) -> tuple[Rank, ...]:
    """Return the mean rank of every method over the metrics, the best first.

    Methods without any number have no rank; metrics that lack a method which has one do not count.

    Args:
        values: `(pictures, methods, metrics)`.
        methods: names.
        better: which end of each metric is good; metrics with neither do not count.
        draws: from `drawn`.
        candidates: rows of the methods that may be the best; default: all. Controls are ranked, and never
            the answer.
        floors: as in `cells`.
    """
    signs = np.array([_sign(each) for each in better])
    lowest = np.full(len(better), -np.inf) if floors is None else np.asarray(floors, float)
    whole = np.maximum(means(values, np.ones((1, len(values))))[0], lowest) * signs
    has = np.isfinite(whole).any(1)
    usable = np.isfinite(whole[has]).all(0) & (signs != 0)
    place = np.full(len(methods), np.nan)
    samples = np.full((len(draws), len(methods)), np.nan)
    if has.any() and usable.any():
        place[has] = _ranked(whole[None][:, has][:, :, usable])[0]
        found_means = np.maximum(means(values, draws), lowest) * signs
        samples[:, has] = _ranked(found_means[:, has][:, :, usable])
    best = _best((-place).tolist(), candidates)
    enough = len(values) >= _FEWEST
    found = []
    for row, method in enumerate(methods):
        own = Interval(float(place[row]), *(_ends(samples[:, row]) if enough and has[row] else ()))
        gap = Interval(math.nan)
        if best is not None and has[row]:
            apart = samples[:, row] - samples[:, best]
            gap = Interval(float(place[row] - place[best]), *(_ends(apart) if enough else ()))
        found.append(Rank(method, own, gap, "best" if row == best else _apart(gap)))
    return tuple(sorted(found, key=lambda rank: (math.isnan(rank.value.mean), rank.value.mean)))


def _ranked(scores: Numbers) -> Numbers:
    """Return mean ranks `(samples, methods)` of scores `(samples, methods, metrics)`, the highest first."""
    found = rankdata(-np.round(scores, _DIGITS), axis=1, nan_policy="omit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a sample without any number
        return np.asarray(np.nanmean(found, axis=2))


def _ends(samples: Numbers) -> tuple[float, float]:
    known = samples[np.isfinite(samples)]
    low, high = np.percentile(known, _ENDS)
    return float(low), float(high)


def _apart(gap: Interval) -> Apart:
    if math.isnan(gap.low):
        return "unknown"
    # Equal numbers differ by rounding.
    slack = 10.0**-_DIGITS
    return "alike" if gap.low <= slack and gap.high >= -slack else "apart"


def _best(scores: Sequence[float], candidates: Sequence[int] | None) -> int | None:
    allowed = range(len(scores)) if candidates is None else candidates
    known = [row for row in allowed if math.isfinite(scores[row])]
    return max(known, key=lambda row: scores[row]) if known else None


def _sign(better: Better) -> int:
    return {"higher": 1, "lower": -1, "neither": 0}[better]


def _mean(values: Numbers) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
