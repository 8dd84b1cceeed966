"""Which methods see a cue far from the region that they explain? Two U-Nets, trained on the spot.

python benchmarks/distant_cue.py [--count 20] [--networks 4] [--markdown FILE] [METHOD | METHOD@LAYER ...]

The pictures and the networks are those of tests/distant_cues.py: what decides the class of a square is a
marker in the farthest corner, or, for the other network and the same pictures, the square's own colour.
Two networks that both know the rule by heart look at the cue with different weight, so there are several.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from statistics import mean
from typing import get_args

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from distant_cues import Rule, accuracy, heat, scenes, trained
from results import Table
from rich.progress import track

import interp

RULES: tuple[Rule, ...] = get_args(Rule)

PIXELS = (
    "saliency",
    "input-x-gradient",
    "smoothgrad",
    "integrated-gradients",
    "integrated-gradients(baseline='blur')",
    "gradient-shap",
    "occlusion(window=4, stride=2, baseline='mean')",
    "extremal-perturbation(steps=80)",
    "u-noise",
    "u-noise(change=0.3)",
    "consensus-cam",
)
CAMS = ("grad-cam", "hires-cam", "seg-xres-cam", "layer-cam", "consensus-cam")
LAYERS = ("down1", "down2", "down3", "bottom", "up3", "up2")
USUAL = (*PIXELS, *(f"{cam}@{layer}" for layer in LAYERS for cam in CAMS))


def pairs() -> Iterator[list[interp.ImageModel]]:
    """Yield one network of each rule, over and over; not every one learns where the cue is."""
    for seed in count():
        pair = [trained(rule, seed=seed) for rule in RULES]
        if all(accuracy(m, scenes(200, seed=7), rule) > 0.99 for m, rule in zip(pair, RULES, strict=True)):
            yield pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=USUAL, metavar="METHOD")
    parser.add_argument("--count", type=int, default=20, help="scenes (%(default)s)")
    parser.add_argument("--networks", type=int, default=4, help="of each rule (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="ask for A, and not for A rather than B")
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    asked = parser.parse_args()
    learnt = list(islice(pairs(), asked.networks))
    # Both networks say A: there is a marker, and the square is orange.
    given = scenes(asked.count, seed=8, marked=True, orange=True)
    rows = []
    for name in track(asked.methods):
        method, _, layer = name.partition("@")
        found = [[heat(m, given, method, layer or None, alone=asked.alone) for m in pair] for pair in learnt]
        cells = []
        for some in zip(*found, strict=True):
            shares = [each.cue for each in some]
            cells += [f"{mean(shares):.2f}", f"{min(shares):.2f}–{max(shares):.2f}"]
            cells += [f"{mean(h.context for h in some):.2f}", f"{mean(h.beyond for h in some):.2f}"]
        rows.append((f"{method}, {layer}" if layer else method, *cells))
    heads = ("at the cue", "least–most", "outside", "beyond the ring")
    table = Table(
        f"{asked.networks} networks of each rule, {asked.count} scenes",
        ("method", *heads, *(f"colour: {head}" for head in heads)),
        rows,
        "Of the area 0.06 is at the cue and 0.94 outside. Means of the networks; least and most of one.",
    )
    table.show()
    if asked.markdown:
        asked.markdown.write_text(table.markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
