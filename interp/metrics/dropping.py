"""What is left of the probability when only what the map shows can be seen, and what is made of it."""

from __future__ import annotations

from interp.metrics.likeness import correlation
from interp.metrics.registry import get, metric
from interp.metrics.trial import Measured, Trial, shown

_PAPER = "Chattopadhay et al., Grad-CAM++, WACV 2018"


@metric(
    "average-drop",
    "Average drop",
    kind="faithfulness",
    better="lower",
    limits=(0, 1),
    formula="max(0, p(x) − p(x ⊙ E)) / p(x), E the map from 0 to 1",
    paper=_PAPER,
    silent="A map that shows everything loses nothing: read it beside the complexity.",
    passes=1,
)
def average_drop(trial: Trial) -> Measured:
    """Return which part of the probability is lost when the picture is seen through the map."""
    whole, left = trial.whole, _left(trial)
    return Measured(max(0.0, whole - left) / whole if whole > 0 else float("nan"))


@metric(
    "increase",
    "Increase in confidence",
    kind="faithfulness",
    better="higher",
    limits=(0, 1),
    formula="1 where p(x ⊙ E) > p(x), else 0",
    paper=_PAPER,
    silent="Rare where the network is certain already; a mean over pictures, not a word about one.",
    passes=1,
)
def increase(trial: Trial) -> Measured:
    """Return whether the probability rises when the picture is seen through the map."""
    return Measured(float(_left(trial) > trial.whole))


@metric(
    "coherency",
    "Coherency",
    kind="faithfulness",
    better="higher",
    limits=(0, 1),
    formula="(1 + corr(E(x), E(x ⊙ E(x)))) / 2",
    paper="Poppi et al., Revisiting the Evaluation of Class Activation Mapping, CVPR Workshops 2021",
    silent="A map that never changes is coherent, whatever it shows.",
    maps=1,
)
def coherency(trial: Trial) -> Measured:
    """Return how much the map of what the map leaves is like the map itself."""
    seen = trial.evidence
    (again,) = trial.again(trial.picture * seen)
    return Measured((1 + correlation(seen.cpu(), shown(trial.method, trial.on_picture(again)))) / 2)


@metric(
    "adcc",
    "ADCC",
    kind="faithfulness",
    better="higher",
    limits=(0, 1),
    formula="3 / (1 / coherency + 1 / (1 − complexity) + 1 / (1 − average drop))",
    paper="Poppi et al., Revisiting the Evaluation of Class Activation Mapping, CVPR Workshops 2021",
    silent="One number of three: look at them where it surprises.",
    passes=1,
    maps=1,
)
def adcc(trial: Trial) -> Measured:
    """Return the harmonic mean of coherency, simplicity and what is left of the probability."""
    return _harmonic(coherency(trial).value, 1 - _complexity(trial), 1 - average_drop(trial).value)


@metric(
    "arcc",
    "ARCC",
    kind="faithfulness",
    better="higher",
    limits=(0, 1),
    formula="3 / (1 / coherency + 1 / (1 − complexity) + 1 / ROAD₊), ROAD₊ = 2 ROAD from 0 to 1",
    paper="arXiv 2605.14641, 2026",
    silent="One number of three: look at them where it surprises.",
    passes=8,
    maps=1,
)
def arcc(trial: Trial, *, seed: int = 0) -> Measured:
    """Return the harmonic mean of coherency, simplicity and ROAD at 20, 40, 60 and 80 % of the picture.

    Args:
        trial: the map.
        seed: of ROAD's noise.
    """
    faithful = get("road", steps=4, seed=seed)(trial).value
    return _harmonic(coherency(trial).value, 1 - _complexity(trial), min(max(2 * faithful, 0), 1))


def _left(trial: Trial) -> float:
    """Return the probability for the picture seen through the map."""
    seen = trial.picture * trial.evidence
    return float(trial.scores(1, lambda *_: seen)[0])


def _complexity(trial: Trial) -> float:
    return float(trial.evidence.mean())


def _harmonic(*values: float) -> Measured:
    """Return the harmonic mean; 0 as soon as one of the values is."""
    if any(value != value for value in values):
        return Measured(float("nan"))
    return Measured(0.0 if min(values) <= 0 else len(values) / sum(1 / value for value in values))
