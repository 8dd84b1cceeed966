"""Memory over many explanations in one process: it must stay flat."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import torch
from contestants import models, pictures
from results import Check, Table, arguments, publish

import interp

EVERY, WARMUP = 100, 300
LIMIT = 1.0  # KiB per picture; one forgotten row of a thousand logits would be 4


def resident() -> float:
    """Return what this process occupies, in KiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def tensors() -> int:
    """Return how many tensors are alive."""
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def main() -> None:
    parser = arguments(__doc__ or "", seconds=0)
    parser.add_argument("--pictures", type=int, default=2000, help="how many to explain (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    name, model = "EfficientNet-Lite0", models(options.seed)["EfficientNet-Lite0"]
    counts, sizes, alive = [], [], []
    for count in range(1, options.pictures + 1):
        interp.attribute(model, pictures(1, options.seed + count))
        if count % EVERY == 0:
            alive.append(tensors())
            counts.append(count)
            sizes.append(resident())
    settled = [i for i, count in enumerate(counts) if count >= WARMUP]
    slope = float(np.polyfit([counts[i] for i in settled], [sizes[i] for i in settled], 1)[0])
    more = alive[-1] - alive[0]
    rows = [
        (str(c), f"{size / 1024:.1f}", str(kept)) for c, size, kept in zip(counts, sizes, alive, strict=True)
    ]
    table = Table(
        f"{name}, one explanation after another, batch 1, each of a new picture",
        ("pictures", "resident, MiB", "tensors alive"),
        rows,
        f"Slope from picture {WARMUP} on: {slope:.3f} KiB per picture.",
    )
    checks = [
        Check(f"{name}: growth, KiB per picture", slope, LIMIT),
        Check(f"{name}: tensors alive, more than after {EVERY} pictures", more, 0),
    ]
    data = {"pictures": counts, "resident_kib": sizes, "tensors": alive, "slope_kib_per_picture": slope}
    publish("memory", "Memory over many explanations", [table], checks, data, options.threads)


if __name__ == "__main__":
    main()
