"""The targets of one picture: a network that runs many times for one of them runs for all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch

from interp.progress import Progress, part_of
from interp.targets import Target


@dataclass(eq=False)
class Siblings:
    """What one method explains of one picture, and the scores that its targets share.

    Attributes:
        targets: all of them.
        shared: whether the method has begun to score inputs that are the same for all.
    """

    targets: Sequence[Target]
    shared: bool = False
    _scores: dict[Hashable, torch.Tensor] = field(default_factory=dict, repr=False)

    def scores(self, target: Target, key: Hashable, score: Callable[[Target], torch.Tensor]) -> torch.Tensor:
        """Return `(N,)`, one target's scores of inputs that are the same for every target.

        Args:
            target: whose.
            key: tells these inputs from others of the same method.
            score: scores the inputs by a target.
        """
        own = [number for number, each in enumerate(self.targets) if each is target]
        if not own or len(self.targets) == 1:
            return score(target)
        if key not in self._scores:
            self.shared = True
            self._scores[key] = score(cast(Target, _Every(self.targets)))
        return self._scores[key][:, own[0]]

    def progress(self, target: int, whole: Progress) -> Progress:
        """Return what is told while the map of a target is made; shared scores are the first one's time."""

        def told(done: float, total: float) -> None:
            tell = whole if self.shared else part_of(whole, target, len(self.targets))
            tell(done, total)

        return told


@dataclass(frozen=True)
class _Every:
    """Asks for all scores at once, `(N, targets)`."""

    targets: Sequence[Target]
    name: str = "all"

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        return torch.stack([target(output) for target in self.targets], 1)
