"""Which methods see a cue far from the region that they explain? Two U-Nets, trained on the spot.

python benchmarks/distant_cue.py [--count 20] [--markdown FILE] [METHOD | METHOD@LAYER ...]

The pictures and the networks are those of tests/distant_cues.py: what decides the class of a square is a
marker in the farthest corner, or, for the other network and the same pictures, the square's own colour.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from distant_cues import accuracy, heat, scenes, trained
from results import Table
from rich.progress import track

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=USUAL, metavar="METHOD")
    parser.add_argument("--count", type=int, default=20, help="scenes (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="ask for A, and not for A rather than B")
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    asked = parser.parse_args()
    models = {rule: trained(rule) for rule in ("cue", "colour")}
    right = [100 * accuracy(model, scenes(200, seed=7), rule) for rule, model in models.items()]
    # Both networks say A: there is a marker, and the square is orange.
    given = scenes(asked.count, seed=8, marked=True, orange=True)
    rows = []
    for name in track(asked.methods):
        method, _, layer = name.partition("@")
        cells = []
        for model in models.values():
            found = heat(model, given, method, layer or None, alone=asked.alone)
            cells += [f"{found.cue:.2f}", f"{found.context:.2f}", f"{found.beyond:.2f}", str(found.count)]
        rows.append((f"{method}, {layer}" if layer else method, *cells))
    heads = ("at the cue", "outside", "beyond the ring", "maps")
    table = Table(
        f"{asked.count} scenes; of the squares' pixels {right[0]:.2f} % and {right[1]:.2f} % right",
        ("method", *heads, *(f"colour: {head}" for head in heads)),
        rows,
        "Of the area 0.06 is at the cue and 0.94 outside. `maps`: those with any evidence.",
    )
    table.show()
    if asked.markdown:
        asked.markdown.write_text(table.markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
