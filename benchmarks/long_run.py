"""Twenty thousand pictures through one process: memory, file handles, threads and speed must stay flat.

    uv run python benchmarks/long_run.py --report 20000 --explain 5000

A report of a whole folder, and pictures explained and drawn one by one, each in a fresh process. The pictures
are small JPEGs of one coloured shape, and the network is a small one that learns the shapes first: what is
counted here is what each picture leaves behind, which does not depend on its size. The first tenth is
warm-up. Growth is told in two ways, in per cent: by the straight line through the second half (its slope
times the length of that half, over the mean), and by the last tenth against the tenth after the warm-up.
Speed is in pictures per second of the processor's time, so that other programs on the machine do not count.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import torch
import typer
from PIL import Image, ImageDraw
from results import Check, Table, publish
from torch import nn

import interp

SIDE = 64
SHAPES = {"disc": 40, "square": 4, "triangle": 3}  # corners
SAMPLES = 100
LIMIT = 2.0  # per cent
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """What the process is after so many pictures."""

    pictures: int
    clock: float
    processor: float
    resident: float
    unique: float
    handles: int
    threads: int

    @classmethod
    def now(cls, pictures: int) -> Sample:
        """Return it of this process; memory in MiB."""
        process = psutil.Process()
        memory = process.memory_full_info()
        return cls(
            pictures,
            time.perf_counter(),
            time.process_time(),
            memory.rss / MIB,
            memory.uss / MIB,
            process.num_fds(),
            process.num_threads(),
        )


@dataclass(frozen=True)
class Run:
    """The samples of a run, and the most that the process ever held: before the end, and with it."""

    samples: list[Sample]
    peak_before: float
    peak: float

    def growth(self, name: str) -> tuple[float, float]:
        """Return the growth in per cent, by the line through the second half and by tenths."""
        values = np.array(self.rates() if name == "rate" else [getattr(s, name) for s in self.samples], float)
        count = len(values)
        later = values[count // 2 :]
        slope = np.polyfit(np.arange(len(later)), later, 1)[0]
        tenth = max(1, count // 10)
        return (
            float(100 * slope * len(later) / later.mean()),
            float(100 * (values[-tenth:].mean() / values[tenth : 2 * tenth].mean() - 1)),
        )

    def kept(self, name: str) -> int:
        """Return how many more there are in the last tenth than in the second, at the least in each."""
        tenth = max(1, len(self.samples) // 10)
        values = [getattr(sample, name) for sample in self.samples]
        return int(min(values[-tenth:]) - min(values[tenth : 2 * tenth]))

    def rates(self) -> list[float]:
        """Return the pictures per second of processor between the samples."""
        pairs = pairwise(self.samples)
        return [(b.pictures - a.pictures) / (b.processor - a.processor) for a, b in pairs]


def main(
    report: Annotated[int, typer.Option(help="Pictures in the folder of the report.")] = 20_000,
    explain: Annotated[int, typer.Option(help="Pictures that are explained one by one.")] = 5_000,
    threads: Annotated[int, typer.Option(help="Torch threads.")] = 1,
    seed: int = 0,
) -> None:
    """Run both and write the tables to `results/`."""
    runs: dict[str, Run] = {}
    for title, run, count in (
        (f"a report of {report:,} pictures", run_report, report),
        (f"{explain:,} pictures explained one by one", run_explain, explain),
    ):
        if count:
            fresh = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=fresh) as alone:
                runs[title] = alone.submit(run, count, threads, seed).result()
    tables = [table_of(title, run) for title, run in runs.items()]
    checks = [check for title, run in runs.items() for check in checks_of(title, run)]
    data = {title: [asdict(sample) for sample in run.samples] for title, run in runs.items()}
    publish("long_run", "Many pictures through one process", tables, checks, data, threads)


def run_report(count: int, threads: int, seed: int) -> Run:
    """Write a report of a folder, and return the samples taken while it explained."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "pictures")
        folder.mkdir()
        for number in range(count):
            picture(seed, number)[0].save(folder / f"{number:06d}.jpg", quality=90)
        model = network(seed)
        samples, take = sampling(count)
        before = [0.0]

        def progress(done: float, _all: float) -> None:
            take(int(done))
            before[0] = peak()

        made = interp.write_report(model, folder, Path(place, "report"), progress=progress)
        assert made.pictures == count
        assert not made.failed
        return Run(samples, before[0], peak())


def run_explain(count: int, threads: int, seed: int) -> Run:
    """Explain and draw pictures one by one, and return the samples."""
    torch.set_num_threads(threads)
    model = network(seed)
    samples, take = sampling(count)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "picture.jpg")
        for number in range(count):
            picture(seed, number)[0].save(path, quality=90)
            interp.explain(model, path).overlay()
            take(number + 1)
    return Run(samples, peak(), peak())


def sampling(count: int) -> tuple[list[Sample], Callable[[int], None]]:
    """Return a list and what fills it: told how many pictures are done, it takes samples evenly."""
    samples: list[Sample] = []
    marks = [math.ceil(count * (n + 1) / SAMPLES) for n in range(SAMPLES)]

    def take(done: int) -> None:
        if len(samples) < SAMPLES and done >= marks[len(samples)]:
            samples.append(Sample.now(done))

    return samples, take


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def picture(seed: int, number: int) -> tuple[Image.Image, int]:
    """Return one shape somewhere, in some colour on another, and which it is."""
    chance = random.Random(f"{seed} {number}")
    kind = chance.randrange(len(SHAPES))
    drawn = Image.new("RGB", (SIDE, SIDE), tuple(chance.randrange(100) for _ in range(3)))
    radius = chance.uniform(10, 20)
    middle = chance.uniform(radius, SIDE - radius), chance.uniform(radius, SIDE - radius)
    ImageDraw.Draw(drawn).regular_polygon(
        (middle, radius),
        [*SHAPES.values()][kind],
        fill=tuple(chance.randrange(130, 256) for _ in range(3)),
    )
    return drawn, kind


def network(seed: int, steps: int = 300) -> interp.ImageModel:
    """Return a small network that has learnt the shapes."""
    torch.manual_seed(seed)
    sizes = (3, 16, 32, 64)
    blocks = [
        nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
        for a, b in pairwise(sizes)
    ]
    module = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(sizes[-1], len(SHAPES)))
    prepare = interp.Preprocess((SIDE, SIDE), (0.5,) * 3, (0.5,) * 3)
    optimiser = torch.optim.Adam(module.parameters(), 5e-3)
    for inputs, kinds in batches(prepare, steps, seed + 1):
        loss = nn.functional.cross_entropy(module(inputs), kinds)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    module.eval()
    inputs, kinds = next(batches(prepare, 1, seed + 2, size=300))
    with torch.no_grad():
        right = (module(inputs).argmax(1) == kinds).float().mean()
    print(f"the network knows {100 * right:.0f} % of 300 new pictures")
    return interp.load(module, preprocess=prepare, labels=tuple(SHAPES), name="shapes")


def batches(
    prepare: interp.Preprocess, count: int, seed: int, size: int = 32
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for batch in range(count):
        made = [picture(seed, batch * size + number) for number in range(size)]
        yield torch.stack([prepare(drawn) for drawn, _ in made]), torch.tensor([kind for _, kind in made])


MEASURED = {
    "unique": "memory of its own (USS), MiB",
    "resident": "resident memory, MiB",
    "handles": "open files",
    "threads": "threads",
    "rate": "pictures per second of processor",
}


def table_of(title: str, run: Run) -> Table:
    def row(name: str) -> tuple[str, ...]:
        values = run.rates() if name == "rate" else [getattr(sample, name) for sample in run.samples]
        tenth = max(1, len(values) // 10)
        parts = [values[tenth : 2 * tenth], values[len(values) // 2 :][:tenth], values[-tenth:]]
        shown = [f"{sum(part) / len(part):.1f}" for part in parts]
        return (MEASURED[name], *shown, *(f"{each:+.2f} %" for each in run.growth(name)))

    took = run.samples[-1].clock - run.samples[0].clock
    note = (
        f"{took / 60:.0f} minutes by the clock. The most memory that was ever resident: "
        f"{run.peak_before:.0f} MiB while it explained, {run.peak:.0f} MiB with what is written at the end."
    )
    columns = (
        "",
        "second tenth",
        "sixth tenth",
        "last tenth",
        "growth, line through the second half",
        "growth, last tenth over second",
    )
    return Table(title[0].upper() + title[1:], columns, [row(name) for name in MEASURED], note)


def checks_of(title: str, run: Run) -> list[Check]:
    grown = [
        Check(f"{title}: growth of {name} memory, per cent", max(run.growth(name)), LIMIT)
        for name in ("unique", "resident")
    ]
    kept = [Check(f"{title}: {name} more than before", run.kept(name), 0) for name in ("handles", "threads")]
    return [*grown, *kept, Check(f"{title}: slower, per cent", -min(run.growth("rate")), 5.0)]


if __name__ == "__main__":
    typer.run(main)
