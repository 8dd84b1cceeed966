"""What `interp.trust` says of the maps of ten methods on photographs: are the controls seen through?

uv run python benchmarks/verdicts.py FOLDER --count 25
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from rich.progress import track

import interp
from interp.metrics.planning import chosen_pictures
from interp.metrics.trusting import LEVELS

METHODS = (
    "consensus-cam",
    "grad-cam",
    "integrated-gradients(steps=16)",
    "saliency",
    "layer-cam",
    "fullgrad",
    "eigen-cam",
    "edges",
    "centre",
    "random",
)
ABOUT = ("weights", "class", "place")


def main(
    folder: Path,
    count: Annotated[int, typer.Option(min=1, help="How many photographs, drawn by seed 0.")] = 25,
    network: str = "efficientnet_lite0",
) -> None:
    """Print for each method how many of its maps stand up, and the means of what was measured."""
    model = interp.load(network)
    levels: dict[str, Counter[str]] = defaultdict(Counter)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    pictures = chosen_pictures(folder, recursive=False, count=count, seed=0)
    with interp.metrics.truster(model) as judge:
        for _, path in track(pictures, description="judging"):
            for method in METHODS:
                found = judge(interp.explain(model, path, method=method))
                levels[method][found.level] += 1
                for about, measured in found.measured.items():
                    values[method, about].append(measured.value)
    print(f"| method | {' | '.join((*LEVELS, *ABOUT))} |")
    print(f"| --- |{' ---: |' * 6}")
    for method in METHODS:
        counts = [str(levels[method][level]) for level in LEVELS]
        means = [f"{fmean(values[method, about]):.2f}" for about in ABOUT]
        print(f"| `{method}` | {' | '.join(counts + means)} |")


if __name__ == "__main__":
    typer.run(main)
