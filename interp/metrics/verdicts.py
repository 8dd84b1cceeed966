"""What numbers mean, in words: which maps should not be believed, and which method to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from interp.metrics.summary import Cell, Interval, Numbers, Rank, interval

SURVIVES = "survives random weights"
CLASSLESS = "does not depend on the class"
CONTROL = "a control"
NO_NUMBER = "no number"
_LIKE_RANDOM, _LIKE_ANOTHER = 0.5, 0.9
# What must be better than chance before a map is looked at: with the sign of what is good.
_TASTED = {"deletion": -1, "insertion": 1}
_FEW = 10
# Values that are nowhere further apart belong to the same map, drawn or scaled otherwise.
_SAME = 1e-3


def base(name: str) -> str:
    """Return a name without its options.

    Example:
        >>> base("road(steps=4)")
        'road'
    """
    return name.partition("(")[0]


def verdicts(
    values: Numbers,
    methods: Sequence[str],
    metrics: Sequence[str],
    controls: Sequence[str],
    found: Sequence[Cell],
    draws: Numbers,
) -> dict[str, tuple[str, ...]]:
    """Return for each method what should be said of it.

    Args:
        values: `(pictures, methods, metrics)`.
        methods: names.
        metrics: names.
        controls: names of those methods that are controls.
        found: from `summary.cells`.
        draws: from `summary.drawn`.
    """
    table = {(cell.method, base(cell.metric)): cell for cell in found}
    said: dict[str, tuple[str, ...]] = {}
    for row, method in enumerate(methods):
        words = [CONTROL] if method in controls else []
        if not any(cell.pictures for cell in found if cell.method == method):
            words.append(NO_NUMBER)
        weights, another = table.get((method, "randomisation")), table.get((method, "random-class"))
        # Controls have no weights and no class: that is what they are for.
        if method not in controls:
            if weights is not None and weights.value.low > _LIKE_RANDOM:
                words.append(SURVIVES)
            if another is not None and another.value.mean > _LIKE_ANOTHER:
                words.append(CLASSLESS)
            words += _beside_random(values, methods, metrics, row, draws)
            words += _same(values, methods, controls, row)
        said[method] = tuple(words)
    return said


def _beside_random(
    values: Numbers, methods: Sequence[str], metrics: Sequence[str], row: int, draws: Numbers
) -> list[str]:
    """Say where a method is not better than the random control."""
    random = [number for number, name in enumerate(methods) if base(name) == "random"]
    found: dict[str, list[str]] = {"worse than": [], "not told apart from": []}
    for column, metric in enumerate(metrics):
        name = base(metric)
        if not random or name not in _TASTED:
            continue
        gap = interval(_TASTED[name] * (values[:, row, column] - values[:, random[0], column]), draws)
        if gap.high < 0:
            found["worse than"].append(name)
        elif gap.low <= 0:
            found["not told apart from"].append(name)
    return [f"{how} random by {' and '.join(names)}" for how, names in found.items() if names]


def _same(values: Numbers, methods: Sequence[str], controls: Sequence[str], row: int) -> list[str]:
    """Say which earlier method gives the same numbers."""
    for other in range(row):
        one, two = values[:, row], values[:, other]
        known = np.isfinite(one) & np.isfinite(two)
        if methods[other] in controls or not known.any() or (np.isfinite(one) != np.isfinite(two)).any():
            continue
        if np.abs(one[known] - two[known]).max() <= _SAME:
            return [f"the same as {methods[other]}"]
    return []


def answer(
    ranked: Sequence[Rank], said: Mapping[str, Sequence[str]], controls: Sequence[str], pictures: int
) -> str:
    """Return in a sentence or two which method to take.

    Args:
        ranked: from `summary.ranks`, the best first.
        said: from `verdicts`.
        controls: names of the methods that are controls.
        pictures: how many were judged.
    """
    best = next((rank for rank in ranked if rank.apart == "best"), None)
    if best is None:
        return "No method can be ranked: there are no numbers."
    alike = [rank.method for rank in ranked if rank.apart == "alike" and rank.method not in controls]
    words = f"{best.method} ranks best over the metrics ({_rank(best.value)})"
    if pictures < 2:
        return f"{words}; one picture tells nothing apart."
    words += (
        f"; not told apart from it: {', '.join(alike)}." if alike else ", and is told apart from all others."
    )
    doubts = [word for word in said.get(best.method, ()) if not word.startswith("the same")]
    if doubts:
        words += f" Read with it: {', '.join(doubts)}."
    above = [rank.method for rank in ranked if rank.method in controls and rank.value.mean <= best.value.mean]
    if above:
        words += f" Of the controls, {', '.join(above)} rank{'s' if len(above) == 1 else ''} no worse."
    if pictures < _FEW:
        words += f" Fewer than {_FEW} pictures: the intervals are too narrow."
    return words


def _rank(value: Interval) -> str:
    ends = "" if np.isnan(value.low) else f", {value.low:.1f} … {value.high:.1f}"
    return f"mean rank {value.mean:.1f}{ends}"
