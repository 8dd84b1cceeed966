"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[float, float], None]
"""Is told how many are done, and of how many."""

_STEPS = 1000


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Return what one of `count` equal parts of the work tells its own progress.

    Example:
        >>> part_of(print, 1, 2)(1, 4)
        1250 2000
    """
    return lambda done, total: progress(_STEPS * number + _STEPS * done // max(total, 1), _STEPS * count)


@dataclass(frozen=True)
class Told:
    """Who is told how far work on many pictures is.

    Attributes:
        tick: called after every picture.
        during: called in between by what takes long, with how many pictures are done since the beginning,
            parts of a picture included.
    """

    tick: Callable[[], None] = lambda: None
    during: Callable[[float], None] = lambda done: None


NOBODY = Told()


class Meter:
    """Counts the pictures that are done, and tells it on; never backwards.

    Attributes:
        told: what the work calls.
    """

    def __init__(self, count: int, progress: Progress | None) -> None:
        self._done, self._there, self._shown, self._all = 0, 0, 0.0, count
        self._progress = progress
        self.told = Told(self._tick, lambda during: self._tell(self._there + during))

    def skip(self, count: int) -> None:
        """Count pictures that were done before."""
        self._there += count
        self._done += count
        self._tell(self._done)

    def _tick(self) -> None:
        self._done += 1
        self._tell(self._done)

    def _tell(self, pictures: float) -> None:
        self._shown = max(self._shown, pictures)  # the next batch begins before the last one is drawn
        if self._progress:
            self._progress(self._shown, self._all)
