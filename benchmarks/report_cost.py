"""Whole-job CPU time of `interp report` against decoding and plain forward passes of the same pictures.

    uv run python benchmarks/report_cost.py FOLDER --pictures 200

Both are whole processes (start-up, imports and loading the model included), run in turn; ratios are taken
pair by pair. `marginal` leaves the start-up out: the difference to the same job on 8 pictures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN = """
import sys
from concurrent.futures import ThreadPoolExecutor
import torch, interp
from interp.report import find_pictures
model = interp.load()
module = model.module.eval()
files = find_pictures(sys.argv[1])
decode = lambda path: model.preprocess(interp.open_image(path))
with ThreadPoolExecutor(2) as pool, torch.no_grad():
    for start in range(0, len(files), 16):
        module(torch.stack(list(pool.map(decode, files[start : start + 16]))))
"""
REPORT = "from interp.cli import main; main()"


def cpu_seconds(arguments: list[str]) -> float:
    """Run Python with `arguments` and return the user and system time of the whole process."""
    before = os.times()
    subprocess.run([sys.executable, "-c", *arguments], check=True, capture_output=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    from interp.report import find_pictures

    files = find_pictures(options.folder)
    chosen = files[:: max(1, len(files) // options.pictures)][: options.pictures]
    rows: dict[str, list[float]] = {"report": [], "plain": [], "report, 8": [], "plain, 8": []}
    with tempfile.TemporaryDirectory() as place:
        for name, part in (("all", chosen), ("few", chosen[:8])):
            (Path(place) / name).mkdir()
            for path in part:
                shutil.copy(path, Path(place) / name)
        for _ in range(options.pairs):
            for name, suffix in (("all", ""), ("few", ", 8")):
                folder, out = f"{place}/{name}", f"{place}/out"
                rows["plain" + suffix].append(cpu_seconds([PLAIN, folder]))
                rows["report" + suffix].append(cpu_seconds([REPORT, "report", folder, "--out", out]))
    ratios = [a / b for a, b in zip(rows["report"], rows["plain"], strict=True)]
    marginal = [
        (a - x) / (b - y)
        for a, x, b, y in zip(rows["report"], rows["report, 8"], rows["plain"], rows["plain, 8"], strict=True)
    ]
    print(f"{len(chosen)} pictures, {options.pairs} pairs, CPU seconds (median):")
    for name, values in rows.items():
        print(f"  {name:10} {statistics.median(values):7.2f}")
    print(f"  whole job  {statistics.median(ratios):.2f} × ({min(ratios):.2f} … {max(ratios):.2f})")
    print(f"  marginal   {statistics.median(marginal):.2f} × ({min(marginal):.2f} … {max(marginal):.2f})")


if __name__ == "__main__":
    main()
