"""How long a report takes on many workers: what a picture costs, a formula, and a simulation to check it."""

from __future__ import annotations

import heapq
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from interp.report.pipeline import Job, explain_shards
from interp.report.planning import Plan
from interp.shards import Shard

SAMPLE = 48


@dataclass(frozen=True)
class Costs:
    """What one picture costs, measured.

    Attributes:
        seconds: of one process, with decoding, network, drawing and writing overlapped.
        maps: bytes in `maps.parquet`.
        panels: bytes of its panels.
        pictures: of how many this is the mean.
    """

    seconds: float
    maps: float
    panels: float
    pictures: int


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Attributes:
        workers: how many, each like the one that was measured.
        start: seconds until the first shard begins.
        deaths: of a worker in an hour; what it had of a shard is lost, the shard is made again.
        restart: seconds until a new worker has its network.
        slow: share of the workers that take twice as long.
        spread: standard deviation of a shard's time, in parts of it.
        sliced: whether every worker has its shards from the beginning (engine `rank`), or takes the next one
            when it is done (engine `ray`).
    """

    workers: int = 1
    start: float = 0.0
    deaths: float = 0.0
    restart: float = 20.0
    slow: float = 0.0
    spread: float = 0.0
    sliced: bool = False

    @property
    def slow_ones(self) -> int:
        """How many workers take twice as long."""
        return round(self.slow * self.workers)


def measured(planned: Plan, pictures: int = SAMPLE) -> Costs:
    """Return what a picture of a report costs here: some, from all over the folder, are explained for it.

    Example:
        >>> measured(plan(interp.load(), "sample_images", "report")).pictures
        10
    """
    files = planned.files[:: max(1, len(planned.files) // pictures)][:pictures]
    with tempfile.TemporaryDirectory(prefix="interp-plan-") as folder:
        job = _elsewhere(planned.job, Path(folder))
        first = files[: job.batch_size]
        _timed(job, Shard(0, 0, first))  # what is only slow the first time
        seconds = _timed(job, Shard(1, 0, files))
        maps = Shard(1, 0, files).part(job.parts).stat().st_size
        panels = sum(path.stat().st_size for path in (Path(folder) / "panels").iterdir())
    return Costs(seconds / len(files), maps / len(files), panels / len(files), len(files))


def _elsewhere(job: Job, folder: Path) -> Job:
    for name in ("parts", "panels"):
        (folder / name).mkdir()
    return replace(job, parts=folder / "parts", panels=None if job.panels is None else folder / "panels")


def _timed(job: Job, shard: Shard) -> float:
    begun = time.perf_counter()
    for _ in explain_shards(job, [shard]):
        pass
    return time.perf_counter() - begun


def expected(shards: int, seconds: float, crew: Crew) -> float:
    """Return how long so many shards take, by a formula.

    `T = start + shards / workers · E` with `E = (exp(d·c) − 1) · (1/d + restart)`, the mean time until a
    shard of `c` seconds is whole, when a worker dies `d` times in a second and begins it again (without
    deaths `E = c`). Where workers take the next shard, slow ones count as halves of workers; where each has
    its own, the number of shards is rounded up and everybody waits for the slow ones.

    Args:
        shards: how many.
        seconds: that one takes.
        crew: who does the work; its `spread` is left to `simulated`.

    Example:
        >>> expected(100, 60.0, Crew(workers=10))
        600.0
    """
    one = until_whole(seconds, crew.deaths / 3600, crew.restart)
    if crew.sliced:
        return crew.start + math.ceil(shards / crew.workers) * one * (2 if crew.slow_ones else 1)
    return crew.start + max(1.0, shards / (crew.workers - crew.slow_ones / 2)) * one


def until_whole(seconds: float, deaths: float, restart: float) -> float:
    """Return the mean time until a piece of work was done without a death in between."""
    return seconds if deaths == 0 else math.expm1(deaths * seconds) * (1 / deaths + restart)


def simulated(shards: int, seconds: float, crew: Crew, seed: int = 0) -> float:
    """Return how long so many shards take, shard by shard, with chance.

    Args:
        shards: how many.
        seconds: that one takes on average.
        crew: who does the work.
        seed: of the times, which are log-normal, and of the deaths.

    Example:
        >>> simulated(100, 60.0, Crew(workers=10))
        600.0
    """
    chance = np.random.default_rng(seed)
    pace = np.where(np.arange(crew.workers) < crew.slow_ones, 2.0, 1.0)
    chance.shuffle(pace)
    draw = _drawer(seconds, crew, chance)
    if crew.sliced:
        free = [crew.start] * crew.workers
        for number in range(shards):
            free[number % crew.workers] += draw(pace[number % crew.workers])
        return max(free)
    ready = [(crew.start, worker) for worker in range(min(crew.workers, shards))]
    for _ in range(shards):
        now, worker = ready[0]
        heapq.heapreplace(ready, (now + draw(pace[worker]), worker))
    return max(ready)[0]


def _drawer(seconds: float, crew: Crew, chance: np.random.Generator) -> Callable[[float], float]:
    """Return a function that draws how long a shard takes a worker of some pace, its deaths included."""
    sigma = math.sqrt(math.log1p(crew.spread**2))
    rate = crew.deaths / 3600

    def draw(pace: float) -> float:
        whole = seconds * float(pace) * (math.exp(chance.normal(-(sigma**2) / 2, sigma)) if sigma else 1.0)
        spent = 0.0
        while rate and (alive := chance.exponential(1 / rate)) < whole:
            spent += alive + crew.restart
        return spent + whole

    return draw
