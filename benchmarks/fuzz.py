"""The strategies of `tests/test_fuzz.py` for as long as one likes: changed files at every door, addresses.

    python benchmarks/fuzz.py --minutes 10 --out benchmarks/results/fuzz.md

Every door gets the same time, in a process of its own with a limit of memory. A file that ends in anything
but a good end or a sentence is kept in `--keep`, and the exit code is 1. A process that dies or hangs counts,
too.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import fuzzing

ADDRESSES = "addresses"
ROUND = 200  # cases between two looks at the clock
LONGEST = 30.0  # seconds that one case may take


@dataclass
class Found:
    """What a door did with the files that it got."""

    cases: int = 0
    good: int = 0
    refused: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


def main(
    minutes: Annotated[float, typer.Option(help="For all doors together.")] = 10.0,
    door: Annotated[list[str] | None, typer.Option(help="Only these; default: all.")] = None,
    megabytes: Annotated[int, typer.Option(help="That a case may take beside what is there.")] = 2048,
    begin: Annotated[int, typer.Option("--seed", help="Another one tries other files.")] = 0,
    keep: Annotated[Path, typer.Option(help="Where files that are not taken well are kept.")] = Path("fuzz"),
    out: Annotated[Path | None, typer.Option(help="Write the table there, too.")] = None,
) -> None:
    """Try all doors one after the other, and print the counts."""
    names = door or [*fuzzing.DOORS, ADDRESSES]
    fuzzing.folder()
    found = {name: tried(name, 60 * minutes / len(names), megabytes, begin, keep) for name in names}
    text = table(found)
    print(text)
    if out:
        out.write_text(text, encoding="utf-8")
    raise SystemExit(any(one.faults for one in found.values()))


def tried(name: str, seconds: float, megabytes: int, begin: int, keep: Path) -> Found:
    """Try one door in a process of its own, which is replaced when it dies."""
    context, end, found, number = (
        multiprocessing.get_context("fork"),
        time.monotonic() + seconds,
        Found(),
        begin,
    )
    while time.monotonic() < end:
        ours, theirs = context.Pipe()
        process = context.Process(target=_rounds, args=(name, end, megabytes, number, keep, theirs))
        process.start()
        theirs.close()
        _listen(ours, found, process, end)
        number += 100_003
    print(f"{name}: {found.cases} cases, {len(found.faults)} faults", file=sys.stderr, flush=True)
    return found


def _listen(pipe: Any, found: Found, process: Any, end: float) -> None:
    """Add up what a process tells, until it ends, dies or hangs."""
    last: bytes | None = None
    while True:
        if not pipe.poll(LONGEST):
            if last is None:
                continue  # the next case is still being made up
            found.faults.append(f"took more than {LONGEST:g} s: {last.hex()[:200]}")
            break
        try:
            kind, value = pipe.recv()
        except EOFError:
            break
        if kind == "case":
            last = value
        elif kind == "fault":
            found.faults.append(value)
        elif kind == "end":
            process.join()
            return
        else:
            last = None
            found.cases += 1
            found.good += value[0]
            found.refused += not value[0]
            found.slowest = max(found.slowest, value[1])
    process.kill()
    process.join()
    if time.monotonic() < end and process.exitcode not in (0, -9):
        found.faults.append(f"the process died with {process.exitcode}: {(last or b'').hex()[:200]}")


def _rounds(name: str, end: float, megabytes: int, number: int, keep: Path, pipe: Any) -> None:
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders in C write about damaged files
    size = _size() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    while time.monotonic() < end:
        number += 1
        _round(name, end, number, keep, pipe)
    pipe.send(("end", None))


def _round(name: str, end: float, number: int, keep: Path, pipe: Any) -> None:
    """Try so many cases of one seed."""
    strategy = st.tuples(fuzzing.asked_for, st.integers(0, len(fuzzing.SETTINGS) - 1))
    if name != ADDRESSES:
        strategy = fuzzing.changes(fuzzing.DOORS[name])

    @seed(number)
    @settings(
        max_examples=ROUND, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def one(case: Any) -> None:
        if time.monotonic() > end:
            return
        pipe.send(("case", case if isinstance(case, bytes) else repr(case).encode()))
        began = time.monotonic()
        try:
            if name == ADDRESSES:
                fuzzing.remembered(*case)
                taken = True
            else:
                taken = fuzzing.harmless(fuzzing.DOORS[name], case)
        except BaseException:
            pipe.send(("fault", _kept(name, case, keep)))
            taken = False
        pipe.send(("done", (taken, time.monotonic() - began)))

    one()


def _kept(name: str, case: Any, keep: Path) -> str:
    """Keep a file that was not taken well, with what it led to, and return the last line of that."""
    keep.mkdir(exist_ok=True)
    data = case if isinstance(case, bytes) else json.dumps(case).encode()
    stem = f"{name.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:12]}"
    (keep / stem).write_bytes(data)
    (keep / f"{stem}.txt").write_text(traceback.format_exc())
    return f"{stem}: {traceback.format_exc().splitlines()[-1][:200]}"


def _size() -> int:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize")
    )
    return 1024 * int(line.split()[1])


def table(found: dict[str, Found]) -> str:
    """Return the counts as Markdown."""
    lines = [
        "| door | cases | good | a sentence | faults | slowest, ms |",
        "| :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in found.items():
        counts = (one.cases, one.good, one.refused, len(one.faults), round(1000 * one.slowest))
        lines.append(f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |")
    every = [sum(getattr(one, key) for one in found.values()) for key in ("cases", "good", "refused")]
    faults = sum(len(one.faults) for one in found.values())
    lines.append(f"| all | {' | '.join(f'{count:,}' for count in every)} | {faults} | |")
    return "\n".join(
        [*lines, "", *(f"- {name}: {fault}" for name, one in found.items() for fault in one.faults[:5])]
    )


if __name__ == "__main__":
    random.seed(0)
    typer.run(main)
