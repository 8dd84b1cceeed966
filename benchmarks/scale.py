"""What a report of many pictures costs: stages and bytes of a picture, and the simulation against real runs.

    uv run python benchmarks/scale.py --pictures 2000

The pictures are the sample photographs, cut and turned. All times are CPU seconds of one thread, so other
work on the machine counts little. The plan at the end is that of docs/how-to/scale.md.
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import torch
import typer
from PIL import Image

import interp
from interp.report import Plan, plan
from interp.report import pipeline as stages
from interp.report.rows import Precision, read_part, write_part
from interp.report.scaling import Crew, expected, simulated
from interp.shards import Shard

SAMPLES = Path(__file__).parents[1] / "sample_images"
LONGEST = 320
CREWS = (1, 16, 256, 4096)


WORKER = """
import json, sys, time
import interp
from interp.report import Local, Slice, carry_out, plan

folder, out, model, method, size, rank, of = sys.argv[1:]
ends = []

class Clocked:
    def run(self, job, shards, told):
        for shard in Local(threads=1).run(job, shards, told):
            ends.append(time.process_time())
            yield shard

asked = plan(interp.load(model), folder, out, method=method, shard_size=int(size), panels=False)
carry_out(asked, engine=Clocked(), rank=Slice(int(rank), int(of)))
print(json.dumps({"ends": ends}))
"""


def made(job: stages.Job, shard: Shard) -> Path:
    """Make one shard, and return the file of what was found."""
    for _ in job.make([shard]):
        pass
    return shard.part(job.parts)


def main(
    pictures: Annotated[int, typer.Option(min=64, help="Of the real runs.")] = 2000,
    model: str = "efficientnet_lite0",
    method: str = "consensus-cam",
    measured: Annotated[int, typer.Option(min=16, help="Pictures whose stages are measured.")] = 128,
    shard_size: int = 64,
    threads: int = 1,
    runs: bool = True,
) -> None:
    """Measure, simulate, run, and print."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as place:
        folder = make_pictures(Path(place) / "pictures", pictures)
        planned = plan(interp.load(model), folder, Path(place) / "out", method=method, shard_size=shard_size)
        told_stages(planned, measured)
        told_bytes(planned, measured)
        if runs:
            real_runs(planned, Path(place), model)


def make_pictures(folder: Path, count: int) -> Path:
    """Save so many different photographs, about 320 pixels wide."""
    folder.mkdir()
    chance = random.Random(0)
    originals = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    for original in originals:
        original.thumbnail((2 * LONGEST, 2 * LONGEST))
    for number in range(count):
        picture = originals[number % len(originals)]
        left, top = (chance.randrange(side // 3) for side in picture.size)
        cut = picture.crop((left, top, left + picture.width // 2, top + picture.height // 2))
        cut.rotate(chance.uniform(-20, 20)).save(folder / f"{number:06}.jpg", quality=90)
    return folder


def told_stages(planned: Plan, count: int) -> None:
    """Print the CPU time of each stage of a picture, one after the other."""
    job, files = planned.job, list(planned.files[:count])
    with tempfile.TemporaryDirectory() as place:
        job = replace(job, parts=Path(place), panels=Path(place))
        made(job, Shard(0, 0, files[: job.batch_size]))  # what is slow only the first time
        one = InTurn()
        spent = dict.fromkeys(("decode", "network", "draw", "write"), 0.0)
        rows = []
        for begin in range(0, len(files), job.batch_size):
            batch = list(enumerate(files[begin : begin + job.batch_size], start=begin))
            clock = time.process_time()
            decoded = [stages._decode(job, path) for _, path in batch]
            spent["decode"] += time.process_time() - clock
            clock, one.spent = time.process_time(), 0.0
            drawn = stages._explained(job, batch, decoded, one, lambda done: None, None)  # type: ignore[arg-type]
            spent["network"] += time.process_time() - clock - one.spent
            spent["draw"] += one.spent
            rows += [row.result() for row in drawn]
        clock = time.process_time()
        write_part(rows, Path(place) / "part", layer=job.layer, method=job.method)
        spent["write"] = time.process_time() - clock
    print(f"CPU ms of a picture ({len(files)} pictures, {torch.get_num_threads()} thread):")
    for name, seconds in spent.items():
        print(f"  {name:8} {1000 * seconds / len(files):7.2f}")


class InTurn:
    """A pool that does at once what it is given, and knows how long that took."""

    spent = 0.0

    def submit(self, do, *given, **named):  # type: ignore[no-untyped-def]
        """Do it."""
        clock = time.process_time()
        found = do(*given, **named)
        self.spent += time.process_time() - clock
        return Done(found)


class Done:
    """What was found."""

    def __init__(self, found: object) -> None:
        self.found = found

    def result(self) -> object:
        """Return it."""
        return self.found


def told_bytes(planned: Plan, count: int) -> None:
    """Print what a picture takes on the disk, by layer and precision."""
    print("bytes of a picture in maps.parquet, one class, without the small picture:")
    files = planned.files[:count]
    with tempfile.TemporaryDirectory() as place:
        stages_of = planned.job.model.layers.stages
        for layer in (planned.job.layer, stages_of[-2], stages_of[-1]):
            job = replace(
                planned.job, parts=Path(place), panels=None, layer=layer, target=interp.targets.top(1),
                method="grad-cam",
            )  # fmt: skip
            part = made(job, Shard(0, 0, files))
            rows = list(read_part(part))
            shape = "×".join(map(str, rows[0].maps[0].values.shape))
            for precision in ("float32", "float16"):
                told_size(rows, Path(place) / "again", f"grad-cam, {shape}", precision)
        part = made(replace(planned.job, parts=Path(place), panels=None), Shard(1, 0, files))
        rows = list(read_part(part))
        shape = f"{len(rows[0].maps)} classes of {'×'.join(map(str, rows[0].maps[0].values.shape))}"
        for precision in ("float32", "float16"):
            told_size(rows, Path(place) / "again", f"{planned.job.method}, {shape}", precision)


def told_size(rows: list[stages.Row], path: Path, what: str, precision: Precision) -> None:
    """Print the size of rows in a precision."""
    write_part(rows, path, layer="", method="", precision=precision)
    values = sum(found.values.size for row in rows for found in row.maps)
    metadata = pq.read_metadata(path)
    columns = [metadata.row_group(0).column(number) for number in range(metadata.num_columns)]
    maps = sum(each.total_compressed_size for each in columns if each.path_in_schema.startswith("map."))
    raw = values * (2 if precision == "float16" else 4)
    each = path.stat().st_size / len(rows)
    print(
        f"  {what}, {precision}: {each:.0f} ({each / 1000:.2f} GB a million), of which maps "
        f"{maps / len(rows):.0f}, {maps / raw:.2f} × raw"
    )


def real_runs(planned: Plan, place: Path, model: str) -> None:
    """Run one worker and two, and compare with formula and simulation of the measured shards.

    A worker's clock is its CPU time: what it would take on a core of its own, however busy this machine is.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    shards, size, job = planned.count, planned.shard_size, planned.job
    mean = start = spread = 0.0
    for workers in (1, 2):
        asked = [str(job.folder), str(place / f"out{workers}"), model, job.method, str(size)]
        running = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *asked, str(rank), str(workers)],
                env=environment, stdout=subprocess.PIPE, text=True,
            )
            for rank in range(workers)
        ]  # fmt: skip
        clocks = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
        took = max(clock["ends"][-1] for clock in clocks)
        if workers == 1:
            costs = [after - before for before, after in pairwise(clocks[0]["ends"])]
            mean, spread = statistics.fmean(costs), statistics.stdev(costs) / statistics.fmean(costs)
            start = clocks[0]["ends"][0] - mean
        crew = Crew(workers, start=start, spread=spread, sliced=True)
        chance = [simulated(shards, mean, crew, seed) for seed in range(20)]
        print(
            f"{workers} worker(s): {took:.1f} CPU s; formula {expected(shards, mean, crew):.1f}, simulation "
            f"{statistics.fmean(chance):.1f} ({min(chance):.1f} to {max(chance):.1f}); a shard {mean:.2f} s "
            f"± {100 * spread:.0f} %, start {start:.1f} s"
        )
    table(1000 * mean / size)


def table(milliseconds: float) -> None:
    """Print what a million and a billion pictures cost on crews of workers like this one."""
    print(f"at {milliseconds:.0f} ms a picture: formula; with slow workers and deaths; simulated; in slices")
    for pictures, size in ((10**6, 256), (10**9, 4096)):
        for workers in CREWS:
            plain = Crew(workers, start=20)
            rough = Crew(workers, start=20, deaths=0.02, slow=0.05, spread=0.2)
            shards, seconds = math.ceil(pictures / size), milliseconds * size / 1000
            found = (
                expected(shards, seconds, plain),
                expected(shards, seconds, rough),
                simulated(shards, seconds, rough),
                simulated(shards, seconds, replace(rough, sliced=True)),
            )
            print(f"  {pictures:.0e} on {workers:4}: " + ", ".join(map(hours, found)))


def hours(seconds: float) -> str:
    """Return a time in the unit in which it is a small number."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    typer.run(main)
