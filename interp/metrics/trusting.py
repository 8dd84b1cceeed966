"""The short verdict beside a map: does it need the weights, the class, and its place?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import nn

from interp.explanation import Explanation
from interp.layers import main_output
from interp.metrics.measuring import trial_of
from interp.metrics.registry import get
from interp.metrics.sanity import survival, untaught
from interp.metrics.trial import Measured, MetricError, Trial
from interp.models import ImageModel
from interp.progress import Progress, part_of

Level = Literal["holds", "doubtful", "fails"]
LEVELS: tuple[Level, ...] = ("holds", "doubtful", "fails")
WORDS: dict[Level, str] = {
    "holds": "Stands up to the checks",
    "doubtful": "Doubtful",
    "fails": "Do not believe it",
}
GLANCE = "No objection at a glance"
SIGNS: dict[Level, str] = {"holds": "✓", "doubtful": "?", "fails": "✗"}
SHUFFLES = 3
SURVIVES, ANOTHER, PLACED, HARDLY = 0.5, 0.9, 0.75, 0.1
PLACE, CLASS = "displaced", "random-class"


@dataclass(frozen=True)
class Check:
    """One question to a map, and the answer.

    Attributes:
        about: "map", "weights", "class", "place" or "score".
        level: how the map stands it.
        words: one sentence.
        measured: the number behind it, where there is one.
    """

    about: str
    level: Level
    words: str
    measured: Measured | None = None


@dataclass(frozen=True)
class Trust:
    """Whether a map should be believed.

    Attributes:
        checks: that were made; those that do not go with the network or the target were not.
    """

    checks: tuple[Check, ...]

    @property
    def level(self) -> Level:
        """The worst level of all checks."""
        return max((check.level for check in self.checks), key=LEVELS.index)

    @property
    def words(self) -> str:
        """The level in words."""
        placed = self.level != "holds" or any(check.about == "place" for check in self.checks)
        return WORDS[self.level] if placed else GLANCE

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of the checks that it does not stand; of all where it stands them all."""
        return tuple(check.words for check in self.checks if self.level == "holds" or check.level != "holds")

    @property
    def measured(self) -> dict[str, Measured]:
        """The numbers, by what each is about."""
        return {check.about: check.measured for check in self.checks if check.measured is not None}

    def __str__(self) -> str:
        return f"{SIGNS[self.level]} {self.words}. {' '.join(self.reasons)}"

    def beside(self, explanation: Explanation) -> Explanation:
        """Return the explanation with the verdict in its caption, and so in its figure and its JSON.

        Example:
            >>> trust(explanation).beside(explanation).save("cat.png")
        """
        return replace(explanation, notes=(*explanation.notes, self.words))

    def to_json(self) -> dict[str, Any]:
        """Return what can be written down."""
        return {
            "level": self.level,
            "checks": [
                {
                    "about": check.about,
                    "level": check.level,
                    "words": check.words,
                    "value": None if check.measured is None else check.measured.value,
                }
                for check in self.checks
            ],
        }


def trust(explanation: Explanation, *, progress: Progress | None = None) -> Trust:
    """Put a map to three quick tests, and say in words whether it should be believed.

    - **weights**: the mean rank correlation with the maps of three networks whose weights are shuffled; above
      0.5 the map hardly needs what was learnt, and fails.
    - **class**: the mean rank correlation with the maps of two other classes; above 0.9 is doubtful.
    - **place**: the share of 11 displaced copies of the map that tell less of the score; below 0.75 is
      doubtful.

    A map without contrast, or one that is not finite, fails; that of a class which the network gives less
    than a tenth of its favourite's probability is doubtful. What passes may still be wrong: `measure` and
    `evaluate` ask more.

    Args:
        explanation: from `interp.explain`.
        progress: is told how far this is.

    Returns:
        the checks and what they add up to.

    Raises:
        MethodError: the method cannot make the further maps.

    Example:
        >>> print(trust(interp.explain("efficientnet_lite0", "cat.jpg", method="eigen-cam")).words)
        Doubtful
    """
    with truster(explanation.model) as judge:
        return judge(explanation, progress)


@contextmanager
def truster(model: ImageModel) -> Iterator[Truster]:
    """Yield what judges many maps of one network, with a twin of it and shuffled copies."""
    with model.twin() as private:
        with torch.inference_mode(False), torch.no_grad():
            blank = [untaught(private, seed) for seed in range(SHUFFLES)]
        yield Truster(model, private, blank)


@dataclass(frozen=True, eq=False)
class Truster:
    """Judges maps of one network.

    Attributes:
        model: the network.
        private: its twin.
        blank: networks of the same shape that have learnt nothing.
    """

    model: ImageModel
    private: nn.Module = field(repr=False)
    blank: Sequence[nn.Module] = field(repr=False)

    def __call__(
        self,
        explanation: Explanation,
        progress: Progress | None = None,
        *,
        place: bool = True,
        inputs: torch.Tensor | None = None,
    ) -> Trust:
        """Judge one map, as `trust` does.

        Args:
            explanation: from `interp.explain`.
            progress: is told how far this is.
            place: without it, for a glance, it costs five further maps and no passes.
            inputs: what the network saw, `(1, C, H, W)`, where the explanation has a smaller picture.
        """
        if broken := _broken(explanation):
            return Trust((broken,))
        tell = progress or (lambda _done, _all: None)
        with torch.inference_mode(False), torch.no_grad():
            inputs = (self.model.prepare([explanation.picture]) if inputs is None else inputs).clone()
            output = main_output(self.private(inputs.clone())).detach()
            trial = trial_of(
                self.model,
                self.private,
                inputs,
                output,
                explanation.target,
                explanation.method,
                explanation.layer,
                explanation.map,
            )
            first, second, third = (
                replace(trial, probe=replace(trial.probe, progress=part_of(tell, n, 3))) for n in range(3)
            )
            asked = (_weights(first, self.blank), _class(second), _place(third) if place else None)
        tell(1, 1)
        return Trust(tuple(check for check in (_score(explanation), *asked) if check is not None))


def passes(explanation_passes: float) -> float:
    """Return what the checks of one map cost in forward passes, where one map costs so many."""
    further = SHUFFLES + get(CLASS).maps
    return get(PLACE).passes + further * explanation_passes


def _broken(explanation: Explanation) -> Check | None:
    map = explanation.map
    if not bool(map.isfinite().all()):
        return Check("map", "fails", "The map is not finite.")
    if explanation.scale.verdict is not None or float(map.amax()) == float(map.amin()):
        return Check("map", "fails", "There is nothing to see.")
    return None


def _score(explanation: Explanation) -> Check | None:
    """Say so where the network does not believe the class itself, and the map shows what little there is."""
    share = explanation.probability
    if share is None or not explanation.prediction or share >= HARDLY * explanation.prediction[0].probability:
        return None
    words = f"The network gives this class {100 * share:.1f} % itself; the map shows the little there is."
    return Check("score", "doubtful", words, Measured(share))


def _weights(trial: Trial, blank: Sequence[nn.Module]) -> Check:
    found = survival(trial, blank)
    if found.value > SURVIVES:
        words = f"A network that has learnt nothing gets much the same map (correlation {found.value:.2f})."
        return Check("weights", "fails", words, found)
    words = f"A network that has learnt nothing gets another map (correlation {found.value:.2f})."
    return Check("weights", "holds", words, found)


def _class(trial: Trial) -> Check | None:
    asked = get(CLASS)
    if trial.probe.model.task not in asked.tasks:
        return None
    classes = int(trial.probe.output.shape[1])
    try:
        found = get(CLASS, classes=min(asked.options["classes"], max(classes - 1, 1)))(trial)
    except MetricError:
        # What is asked is no class, or there is no other.
        return None
    if found.value > ANOTHER:
        words = f"Other classes get much the same map (correlation {found.value:.2f})."
        return Check("class", "doubtful", words, found)
    return Check("class", "holds", f"Other classes get other maps (correlation {found.value:.2f}).", found)


def _place(trial: Trial) -> Check:
    asked = get(PLACE)
    found = asked(trial)
    copies = asked.options["copies"]
    words = f"Moved elsewhere it tells less of the score, in {found.value * copies:.4g} of {copies} tries."
    return Check("place", "holds" if found.value >= PLACED else "doubtful", words, found)
