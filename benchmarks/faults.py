"""`kill -9` at random moments of a report and of a training, then the same command again.

    python benchmarks/faults.py --kills 50 --out benchmarks/results/faults.md

What the second command leaves must equal what an undisturbed one left: every file of the report byte for
byte, weights and logs of the run number for number. Nothing half-written may lie beside it.

Most of the jobs are forks of a process that has imported everything, so that the kills fall on the work
and not on `import torch`; `--fresh` of them are the command as it is typed. A job is cut into as many equal
shares of its CPU time as there are kills, and killed once at a random moment of each. The CPU time is read
from /proc, so this runs on Linux.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import torch
import typer
from PIL import Image
from safetensors.numpy import load_file

import interp
from interp.images import Preprocess
from interp.models import Architecture

SAMPLES = Path(__file__).parents[1] / "sample_images"
TIMES = {"seconds", "time"}
PICTURES = 68  # more than one of the parts that a report saves together
DONE = (0, 1)  # 1: one picture is broken, and is named
TICK = os.sysconf("SC_CLK_TCK")

Command = Callable[[Path], list[str]]
Found = Mapping[str, Any]


class Job(Protocol):
    """A process that works: a fork, or a command of its own."""

    pid: int

    def kill(self) -> None: ...


@dataclass
class Tally:
    """What became of the kills of one job."""

    name: str
    seconds: float
    survived: int = 0
    untouched: int = 0
    half: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.survived + len(self.wrong)


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many of each.")] = 50,
    fresh: Annotated[int, typer.Option(min=0, help="How many more, of the command as it is typed.")] = 5,
    only: Annotated[str, typer.Option(help="report, training or both.")] = "both",
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="Write the table there, too.")] = None,
) -> None:
    """Kill them and compare; exits with 1 where anything differs."""
    jobs = {"report": (report, report_files), "training": (training, run_numbers)}
    names = list(jobs) if only == "both" else [only]
    with tempfile.TemporaryDirectory() as folder:
        tallies = [survive(name, *jobs[name], Path(folder), kills, fresh, seed) for name in names]
    text = table(tallies)
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
    raise SystemExit(1 if any(tally.wrong for tally in tallies) else 0)


def survive(
    name: str,
    prepare: Callable[[Path], Command],
    found: Callable[[Path], Found],
    folder: Path,
    kills: int,
    fresh: int,
    seed: int,
) -> Tally:
    """Kill a job so often, finish it each time, and compare each end with that of an undisturbed command."""
    command = prepare(folder)
    expected = undisturbed(typed, command, folder / f"{name}-typed", found)[0]
    tally = Tally(name, 0.0)
    for start, times in ((forked, kills), (typed, fresh)):
        if not times:
            continue
        end, seconds = undisturbed(start, command, folder / f"{name}-{start.__name__}", found)
        tally.seconds = tally.seconds or seconds
        if end != expected:
            raise SystemExit(f"{name}: two undisturbed runs differ: {differing(expected, end)}")
        chance, number = random.Random(seed), 0
        while number < times:
            share = (number + chance.random()) / times
            out = folder / f"{name}-{number}"
            if (worked := killed_at(start(command(out), out), share * seconds)) is None:
                number += 1
                count(tally, number, out, command, expected, found)
            else:
                seconds = min(
                    seconds, worked
                )  # it was done before it could be killed: aim at an earlier moment
            shutil.rmtree(out, ignore_errors=True)
    return tally


def undisturbed(
    start: Callable[[list[str], Path], Job], command: Command, out: Path, found: Callable[[Path], Found]
) -> tuple[Found, float]:
    """Return what a job leaves that nobody kills, and the CPU time it takes."""
    job, seconds = start(command(out), out), 0.0
    while (now := cpu_seconds(job.pid)) is not None:
        seconds = now
        time.sleep(0.01)
    job.kill()
    return found(out), seconds


def killed_at(job: Job, seconds: float) -> float | None:
    """Kill a job once it has worked so long; where it was done before, return how long it worked."""
    worked = 0.0
    while (now := cpu_seconds(job.pid)) is not None and now < seconds:
        worked = now
        time.sleep(0.003)
    job.kill()
    return worked if now is None else None


def count(
    tally: Tally, number: int, out: Path, command: Command, expected: Found, found: Callable[[Path], Found]
) -> None:
    """Look at what a killed job has left, give the same command again, and look again."""
    left = [path for path in out.rglob("*") if path.is_file()] if out.exists() else []
    tally.untouched += not left
    tally.half += any(path.name.startswith(".") for path in left)
    job = forked(command(out), out)
    while cpu_seconds(job.pid) is not None:
        time.sleep(0.01)
    job.kill()
    try:
        after = found(out)
    except OSError as error:
        after = {"it failed": repr(error)}
    if after == expected:
        tally.survived += 1
    else:
        tally.wrong.append(f"kill {number}: {differing(expected, after)}")
        print(tally.name, tally.wrong[-1], Path(f"{out}.log").read_text()[-300:])
    print(f"{tally.name}: {tally.kills} kills, {tally.survived} equal", file=sys.stderr, flush=True)


def differing(expected: Found, after: Found) -> list[str]:
    return [key for key in {**expected, **after} if expected.get(key) != after.get(key)][:5]


def forked(arguments: list[str], out: Path) -> Job:
    """Start the command line in a fork of this process, which has imported everything."""
    process = get_context("fork").Process(target=_work, args=(arguments, Path(f"{out}.log")))
    process.start()
    return Ended(process.pid, process.kill, process.join)


def typed(arguments: list[str], out: Path) -> Job:
    """Start the command as somebody types it."""
    with Path(f"{out}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "interp", *arguments], stdout=log, stderr=log)
    return Ended(process.pid, process.kill, process.wait)


@dataclass
class Ended:
    """A process that is waited for when it is killed."""

    pid: int
    _kill: Callable[[], None]
    _wait: Callable[[], object]

    def kill(self) -> None:
        self._kill()
        self._wait()


def _work(arguments: list[str], log: Path) -> None:
    from interp.cli import main as command

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["interp", *arguments]
    command()


def cpu_seconds(pid: int) -> float | None:
    """Return how long a process has worked, or None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (int(fields[11]) + int(fields[12])) / TICK


def table(tallies: list[Tally]) -> str:
    """Return the counts as Markdown."""
    lines = [
        "| job | CPU seconds | kills | ends equal | ends not | nothing there yet | half a file left |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for tally in tallies:
        counts = (tally.kills, tally.survived, len(tally.wrong), tally.untouched, tally.half)
        lines.append(f"| {tally.name} | {tally.seconds:.1f} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines) + "\n"


def report(folder: Path) -> Command:
    """Make a small network and pictures, one of them broken, and return the command that reports on them."""
    pictures = folder / "pictures"
    pictures.mkdir()
    names = sorted(SAMPLES.glob("*.jpg"))
    for number in range(PICTURES):
        with Image.open(names[number % len(names)]) as picture:
            small = picture.convert("RGB").rotate(number)
        small.thumbnail((120, 120))
        small.save(pictures / f"{number:03}.jpg", quality=80)
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    architecture = Architecture("torchvision", "squeezenet1_1", {"num_classes": 10})
    torch.manual_seed(0)
    half = (0.5, 0.5, 0.5)
    small_network = interp.load(
        architecture.build(), preprocess=Preprocess((96, 96), half, half), architecture=architecture
    )
    small_network.save(folder / "network")
    asked = ["report", str(pictures), "--model", str(folder / "network"), "--top", "1", "--batch-size", "4"]
    return lambda out: [*asked, "--out", str(out)]


def report_files(out: Path) -> Found:
    """Return the hash of every file of a report."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def training(folder: Path) -> Command:
    """Make pictures of two classes and return the command that trains, or goes on with it."""
    generator = np.random.default_rng(0)
    for kind, colour in (("red", (180, 40, 40)), ("blue", (40, 40, 180))):
        (folder / "classes" / kind).mkdir(parents=True)
        for number in range(8):
            noise = generator.integers(0, 60, (48, 48, 3))
            pixels = (noise + np.array(colour)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "classes" / kind / f"{number}.png")
    stages = ["--stage", "epochs=1 lr=1e-3 size=32 batch=8", "--stage", "epochs=2 lr=1e-4 size=40 batch=8"]
    asked = ["train", "classifier", str(folder / "classes"), *stages, "--workers", "0", "--resume"]
    return lambda out: [*asked, "--out", str(out)]


def run_numbers(out: Path) -> Found:
    """Return names of the files of a run, its weights and its logs but for the time."""
    found: dict[str, Any] = {"files": sorted(str(path.relative_to(out)) for path in out.rglob("*"))}
    for path in sorted(out.rglob("model.safetensors")):
        found |= {f"{path.name} {key}": value.tobytes() for key, value in load_file(path).items()}
    for name in ("history.csv", "steps.csv"):
        with (out / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found[name] = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    return found


def warm() -> None:
    """Import what the jobs need, before they are forks of this process; no threads may run in it."""
    torch.set_num_threads(1)
    import fastai.vision.all  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torchvision  # noqa: F401

    import interp.cli
    import interp.report
    import interp.training  # noqa: F401


if __name__ == "__main__":
    warm()
    typer.run(main)
