"""Of two objects in a scene, does the map of one class lie on the right one, and inside it?

python benchmarks/two_objects.py [--network lite0|lite1|lite2] [--count 200] [--seed 0] FOLDER METHOD...
FOLDER has photographs named CLASS_….jpg.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from networks import network, whole
from PIL import Image
from results import Table
from rich.progress import track
from scenes import recognised, scenes

from interp import targets
from interp.methods import attribute, get
from interp.models import ImageModel

USUAL = ("grad-cam", "hires-cam", "layer-cam", "consensus-cam")
TOP = 10


@dataclass(frozen=True)
class Marks:
    """How a map lies on its object.

    Attributes:
        right: share of the energy on the two objects that is on the asked one.
        inside: share of all energy that is on the asked one.
        peak: whether the maximum is on it.
        seen: whether both classes are among the likeliest.
    """

    right: float
    inside: float
    peak: float
    seen: bool


def marks(values: torch.Tensor, own: np.ndarray, other: np.ndarray, *, seen: bool) -> Marks:
    """Measure the positive part of a map, enlarged bilinearly; ties of the maximum count in part."""
    large = F.interpolate(values[None, None], own.shape, mode="bilinear", align_corners=False)[0, 0]
    energy = large.clamp(min=0).double().numpy()
    total, mine, others = energy.sum(), energy[own].sum(), energy[other].sum()
    if total == 0:
        return Marks(0.5, float(own.mean()), float(own.mean()), seen)
    right = mine / (mine + others) if mine + others > 0 else 0.5
    return Marks(float(right), float(mine / total), float(own[energy == energy.max()].mean()), seen)


def mark_all(
    model: ImageModel,
    picture: Image.Image,
    classes: Sequence[int],
    masks: Sequence[np.ndarray],
    methods: Sequence[str],
    rows: dict[str, list[Marks]],
    top: int = TOP,
) -> None:
    """Add two marks to the rows of every method: one for each object of a scene."""
    found = attribute(model, model.prepare([picture]), targets.several(*classes), methods)
    seen = set(found.output[0].topk(top).indices.tolist()).issuperset(classes)
    for (number, _layer, method), maps in found.maps.items():
        rows[method].append(marks(maps[0], masks[number], masks[1 - number], seen=seen))


def table(title: str, rows: dict[str, list[Marks]], *, seen_only: bool) -> Table:
    """Return the means over all scenes, or over those whose two classes the network sees."""
    lines = []
    for method, all_marks in rows.items():
        kept = [each for each in all_marks if each.seen or not seen_only]
        values = np.array([(each.right, each.inside, each.peak) for each in kept])
        spread = 1.96 * values.std(0) / np.sqrt(len(values))
        lines.append(
            (get(method).title, *(f"{m:.3f} ± {s:.3f}" for m, s in zip(values.mean(0), spread, strict=True)))
        )
    count = len(kept) // 2
    note = f"{count} scenes, two maps each; ± is 1.96 standard errors"
    return Table(title, ("method", "right one of two", "inside the object", "peak on it"), lines, note)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("methods", nargs="*", default=USUAL)
    options.add_argument("--network", default="lite0")
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    model = network(asked.network)
    seeing = whole(model)
    objects = recognised(seeing, asked.folder)
    names = [get(each).name for each in asked.methods]
    rows: dict[str, list[Marks]] = defaultdict(list)
    made = scenes(objects, asked.folder, asked.count, asked.seed)
    for scene in track(made, total=asked.count, description=f"{len(objects)} objects"):
        mark_all(seeing, scene.picture, scene.classes, scene.masks, names, rows)
    title = f"{model.name}, {len(objects)} objects, seed {asked.seed}"
    for seen_only in (True, False):
        table(title, rows, seen_only=seen_only).show()


if __name__ == "__main__":
    main()
