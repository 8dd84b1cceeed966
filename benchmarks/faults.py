"""`kill -9` at random moments of a report and of a training, then the same command again.

    uv run python benchmarks/faults.py --kills 50

What the second command leaves must equal what an undisturbed one left: every file of the report byte for
byte, weights and logs of the run number for number. Nothing half-written may lie beside it.
"""

from __future__ import annotations

import csv
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from rich.progress import track
from safetensors.numpy import load_file

SAMPLES = Path(__file__).parents[1] / "sample_images"
INTERP = [sys.executable, "-m", "interp"]
TIMES = {"seconds", "time"}
PICTURES = 24
DONE = (0, 1)  # 1: one picture is broken, and is named


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many of each.")] = 50,
    only: Annotated[str, typer.Option(help="report, training or both.")] = "both",
    seed: int = 0,
) -> None:
    """Kill them and compare; exits with 1 where anything differs."""
    jobs = {"report": (report, report_files), "training": (training, run_numbers)}
    names = list(jobs) if only == "both" else [only]
    with tempfile.TemporaryDirectory() as folder:
        wrong = sum([survive(name, *jobs[name], Path(folder), kills, seed) for name in names])
    raise SystemExit(1 if wrong else 0)


def survive(
    name: str,
    prepare: Callable[[Path], Callable[[Path], list[str]]],
    found: Callable[[Path], Mapping[str, Any]],
    folder: Path,
    kills: int,
    seed: int,
) -> int:
    """Kill a job so often, finish it each time, and return how often the end was another."""
    command = prepare(folder)
    began = time.monotonic()
    first = subprocess.run(command(folder / f"{name}-undisturbed"), capture_output=True, text=True)
    if first.returncode not in DONE:
        raise SystemExit(first.stderr)
    whole, expected = time.monotonic() - began, found(folder / f"{name}-undisturbed")
    moments, survived, missed, wrong = random.Random(seed), 0, 0, 0
    for number in track(range(kills), description=name):
        out = folder / f"{name}-{number}"
        process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(moments.uniform(0.1, 1.0) * whole)
            missed += 1  # it was done before it could be killed
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = subprocess.run(command(out), capture_output=True, text=True)
        # A kill may come after the last file; then there is nothing left to do, and the command says so.
        ended = done.returncode in DONE or "is finished" in done.stderr
        after = found(out) if ended else {"it failed": done.stderr[-300:]}
        if after == expected:
            survived += 1
        else:
            wrong += 1
            keys = [key for key in {**expected, **after} if expected.get(key) != after.get(key)]
            print(f"{name}, kill {number}: {keys[:5]} {after.get('it failed', '')}")
        shutil.rmtree(out)
    print(f"{name}: killed {kills - missed} times in {whole:.1f} s, {survived} ends equal, {wrong} not")
    return wrong


def report(folder: Path) -> Callable[[Path], list[str]]:
    """Make pictures, one of them broken, and return the command that reports on them."""
    pictures = folder / "pictures"
    pictures.mkdir()
    names = sorted(SAMPLES.glob("*.jpg"))
    for number in range(PICTURES):
        with Image.open(names[number % len(names)]) as picture:
            small = picture.convert("RGB").rotate(number)
        small.thumbnail((240, 240))
        small.save(pictures / f"{number:03}.jpg", quality=80)
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return lambda out: [
        *INTERP,
        "report",
        str(pictures),
        "--top",
        "1",
        "--batch-size",
        "2",
        "--out",
        str(out),
    ]


def report_files(out: Path) -> Mapping[str, Any]:
    """Return the hash of every file of a report."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def training(folder: Path) -> Callable[[Path], list[str]]:
    """Make pictures of two classes and return the command that trains, or goes on with it."""
    generator = np.random.default_rng(0)
    for kind, colour in (("red", (180, 40, 40)), ("blue", (40, 40, 180))):
        (folder / "classes" / kind).mkdir(parents=True)
        for number in range(12):
            noise = generator.integers(0, 60, (48, 48, 3))
            pixels = (noise + np.array(colour)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "classes" / kind / f"{number}.png")
    stages = ["--stage", "epochs=4 lr=1e-3 size=40 batch=8", "--stage", "epochs=4 lr=1e-4 size=48 batch=8"]
    asked = [*INTERP, "train", "classifier", str(folder / "classes"), *stages, "--workers", "0", "--resume"]
    return lambda out: [*asked, "--out", str(out)]


def run_numbers(out: Path) -> Mapping[str, Any]:
    """Return names of the files of a run, its weights and its logs but for the time."""
    found: dict[str, Any] = {"files": sorted(str(path.relative_to(out)) for path in out.rglob("*"))}
    for path in sorted(out.rglob("model.safetensors")):
        found |= {f"{path.name} {key}": value.tobytes() for key, value in load_file(path).items()}
    for name in ("history.csv", "steps.csv"):
        with (out / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found[name] = [{key: value for key, value in row.items() if key not in TIMES} for row in rows]
    return found


if __name__ == "__main__":
    typer.run(main)
