"""Every file of some folders through `open_image` and `explain`: explained, refused by a sentence, or failed.

A worker process takes the files one by one, with a limit of time and of memory. What takes longer, needs
more, crashes or raises anything but a sentence of this package counts as failed. Peak memory is what the
process needed beyond what it held before the picture came; it is read from /proc, so this runs on Linux.

    python benchmarks/bad_input.py Pillow/Tests/images --out benchmarks/results/bad_input.txt
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

MEGABYTE = 2**20
SHOWN = 8
# A name, a number or a reason in a sentence; what is left is its kind.
_VARIES = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\([A-Z]\w*(?:Error|Exception|error).*?\)(?=\.)|\d[\d,]*"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `kind` is explained, refused or failed."""

    kind: str
    said: str
    seconds: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=30, help="that one file may take")
    parser.add_argument("--megabytes", type=int, default=4096, help="that one file may take beside the model")
    parser.add_argument("--out", type=Path, help="write the tables there, too")
    given = parser.parse_args()
    if missing := [str(folder) for folder in given.folders if not folder.is_dir()]:
        parser.error(f"no folder {missing[0]}")
    parts = []
    for folder in given.folders:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        found = dict(outcomes(files, given.seconds, given.megabytes))
        parts.append(tables(folder, found))
        print(parts[-1], flush=True)
    if given.out:
        given.out.write_text("\n".join(parts), encoding="utf-8")


def outcomes(files: Sequence[Path], seconds: float, megabytes: int) -> Iterator[tuple[Path, Outcome]]:
    """Yield every file with what became of it; a worker that was lost is replaced."""
    worker = Worker(megabytes)
    for number, path in enumerate(files, 1):
        outcome = worker.run(path, seconds)
        if worker.lost:
            worker = Worker(megabytes)
        if sys.stderr.isatty():
            print(f"\r{number} of {len(files)}", end="", file=sys.stderr, flush=True)
        yield path, outcome
    worker.end()


class Worker:
    """A process that explains one file after the other."""

    def __init__(self, megabytes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, megabytes), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()  # the model is loaded and warm
        self.lost = False

    def run(self, path: Path, seconds: float) -> Outcome:
        began = time.monotonic()
        self._ours.send(str(path))
        try:
            if self._ours.poll(seconds):
                found: Outcome = self._ours.recv()
                return found
            said = f"took more than {seconds:g} s"
        except EOFError:
            self._process.join()
            said = f"the process died with {self._process.exitcode}"
        self.end()
        self.lost = True
        return Outcome("failed", said, time.monotonic() - began, float("nan"))

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection, megabytes: int) -> None:
    import interp

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what decoders in C write about damaged files
    model = interp.load()
    interp.explain(model, torch.zeros(3, 64, 64))
    size = _memory("VmSize") + megabytes * MEGABYTE
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    pipe.send("ready")
    while True:
        path = pipe.recv()
        Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew
        before, began = _memory("VmRSS"), time.monotonic()
        kind, said = _outcome(model, path)
        took = time.monotonic() - began
        pipe.send(Outcome(kind, said, took, max(0, _memory("VmHWM") - before) / MEGABYTE))


def _outcome(model: object, path: str) -> tuple[str, str]:
    import interp
    from interp.images import open_image
    from interp.sentences import is_sentence

    try:
        picture = open_image(path)
        found = interp.explain(model, picture)
    except BaseException as error:
        return ("refused" if is_sentence(error) else "failed"), f"{type(error).__name__}: {error}"
    assert picture.mode == "RGB"
    return ("explained", "") if torch.isfinite(found.map).all() else ("failed", "the map has NaN or infinity")


def _memory(field: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def tables(folder: Path, found: dict[Path, Outcome]) -> str:
    """Return the counts, the refusals by their kind, all failures, and the slowest and hungriest files."""
    kinds = Counter(outcome.kind for outcome in found.values())
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("explained", "refused", "failed"))
    lines = [f"{folder.name}: {len(found)} files: {counts}", ""]
    refused = Counter(_kind_of(o.said) for o in found.values() if o.kind == "refused")
    lines += ["refused by sentence", *(f"{count:6}  {said}" for said, count in refused.most_common()), ""]
    if failed := {path: outcome for path, outcome in found.items() if outcome.kind == "failed"}:
        lines += [
            "failed",
            *(f"  {path.relative_to(folder)}: {o.said:.300}" for path, o in failed.items()),
            "",
        ]
    for title, of in (("seconds", lambda o: o.seconds), ("megabytes", lambda o: o.megabytes)):
        most = sorted(found.items(), key=lambda pair: -of(pair[1]))[:SHOWN]
        lines += [f"most {title}"]
        lines += [f"{of(o):9.2f}  {o.kind:9}  {path.relative_to(folder)}" for path, o in most] + [""]
    return "\n".join(lines)


def _kind_of(said: str) -> str:
    return re.sub(r"\s+", " ", _VARIES.sub("…", said.partition(": ")[2]))


if __name__ == "__main__":
    main()
