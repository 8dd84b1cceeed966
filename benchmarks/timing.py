"""Interleaved timing: every round runs every case once, in shuffled order, so that drift hits all alike."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

Case = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """The median of some numbers and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def text(self, digits: int) -> str:
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} – {self.high:.{digits}f})"


@dataclass(frozen=True)
class Rounds:
    """What `interleave` measured: for each case one time in each round."""

    seconds: Mapping[str, list[float]]

    def __len__(self) -> int:
        return len(next(iter(self.seconds.values())))

    def time(self, case: str) -> Spread:
        """Return the spread of the case's time, in milliseconds."""
        return Spread.of([1e3 * value for value in self.seconds[case]])

    def ratio(self, case: str, to: str) -> Spread:
        """Return the spread over rounds of the case's time divided by another's in the same round."""
        pairs = zip(self.seconds[case], self.seconds[to], strict=True)
        return Spread.of([own / other for own, other in pairs])


def interleave(
    cases: Mapping[str, Case],
    *,
    seconds: float,
    least: int = 9,
    warmup: int = 2,
    seed: int = 0,
    clock: Clock = time.perf_counter,
) -> Rounds:
    """Run the cases in turn, round after round, until `seconds` have passed.

    Args:
        cases: what to time, by name.
        seconds: for how long, the warm-up left out.
        least: rounds to run even if that takes longer.
        warmup: rounds that do not count.
        seed: of the order of the cases, which each round shuffles again.
        clock: what is read before and after each; `time.process_time` where other work shares the cores.
    """
    order = list(cases)
    shuffler = random.Random(seed)
    measured: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(warmup):
        for case in cases.values():
            case()
    started = time.perf_counter()
    with _no_collection():
        while len(measured[order[0]]) < least or time.perf_counter() - started < seconds:
            gc.collect()
            shuffler.shuffle(order)
            for name in order:
                measured[name].append(_timed(cases[name], clock))
    return Rounds(measured)


def _timed(case: Case, clock: Clock) -> float:
    started = clock()
    case()
    return clock() - started


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out of the timed calls; rounds collect between them, cheaply."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
