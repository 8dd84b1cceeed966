"""Deletion and insertion by maps of photographs, and what is left of a map when weights are randomised.

python benchmarks/faithful.py [--count 100] FOLDER METHOD...
"""

from __future__ import annotations

import argparse
import copy
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from networks import network
from results import Table
from rich.progress import track
from scipy.stats import spearmanr
from torchvision.transforms.functional import gaussian_blur

from interp.images import open_image
from interp.methods import attribute, get
from interp.models import ImageModel

USUAL = ("grad-cam", "layer-cam", "consensus-cam", "random")
STEPS = 28
CUTS = ("conv_head", "blocks.5", "blocks.3", "blocks.0")


def curves(model: ImageModel, inputs: torch.Tensor, values: torch.Tensor, index: int) -> tuple[float, float]:
    """Return the areas under the probability while pixels are blurred, and while a blurred picture clears.

    Most important pixels first, in STEPS equal parts; the blur has a sigma of 10 pixels.
    """
    size = inputs.shape[2:]
    large = F.interpolate(values[None, None], size, mode="bilinear", align_corners=False).flatten()
    # What is equal, as all that is below 0, goes in random order.
    noise = torch.rand(len(large), generator=torch.Generator().manual_seed(0))
    order = torch.from_numpy(np.lexsort((noise.numpy(), -large.clamp(min=0).numpy())))
    blurred = gaussian_blur(inputs, [61, 61], [10.0, 10.0])
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    shares = torch.linspace(0, 1, STEPS + 1)[:, None] * len(order)
    first = (rank[None] < shares).view(-1, 1, *size)
    both = torch.cat([torch.where(first, blurred, inputs), torch.where(first, inputs, blurred)])
    probabilities = model.probabilities(model.logits(both))[:, index].double()
    deletion, insertion = probabilities.split(STEPS + 1)
    return float(torch.trapezoid(deletion) / STEPS), float(torch.trapezoid(insertion) / STEPS)


def randomised(model: ImageModel) -> dict[str, ImageModel]:
    """Return copies whose weights are random from the output down to a layer, whose statistics stay."""
    found = {}
    module = copy.deepcopy(model.module)
    torch.manual_seed(0)
    parts = dict(module.named_modules())
    done: set[int] = set()
    names = [name for name in parts if name]
    for cut in ("classifier", *CUTS):
        for name in names[names.index(cut) :]:
            part = parts[name]
            if id(part) not in done and hasattr(part, "weight") and part.weight.dim() > 1:
                done.add(id(part))
                with torch.no_grad():
                    flat = part.weight.flatten()
                    part.weight.copy_(flat[torch.randperm(len(flat))].view_as(part.weight))
        found[cut] = replace(model, module=copy.deepcopy(module))
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("methods", nargs="*", default=USUAL)
    options.add_argument("--count", type=int, default=100)
    asked = options.parse_args()
    model = network("lite0")
    names = [get(each).name for each in asked.methods]
    files = sorted(asked.folder.glob("*.jpg"))
    files = [files[i] for i in np.random.default_rng(0).permutation(len(files))[: asked.count]]
    others = randomised(model)
    areas: dict[str, list[tuple[float, float]]] = defaultdict(list)
    kept: dict[tuple[str, str], list[float]] = defaultdict(list)
    for file in track(files):
        inputs = model.prepare([open_image(file)])
        index = int(model.logits(inputs).argmax())
        found = {key[2]: maps[0] for key, maps in attribute(model, inputs, index, names).maps.items()}
        for name, values in found.items():
            areas[name].append(curves(model, inputs, values, index))
        for cut, other in others.items():
            for (_, _, name), maps in attribute(other, inputs, index, names).maps.items():
                pair = [each.clamp(min=0).flatten().numpy() for each in (found[name], maps[0])]
                flat = any(np.ptp(each) == 0 for each in pair)
                kept[name, cut].append(0.0 if flat else float(spearmanr(*pair).statistic))
    lines = []
    for name, pairs in areas.items():
        values = np.array(pairs)
        spread = 1.96 * values.std(0) / np.sqrt(len(values))
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(values.mean(0), spread, strict=True)]
        lines.append((get(name).title, *cells))
    Table("areas under the curves", ("method", "deletion (low)", "insertion (high)"), lines).show()
    rows = [(get(n).title, *(f"{np.mean(kept[n, cut]):.2f}" for cut in others)) for n in areas]
    Table("rank correlation with the map of randomised weights, down to", ("method", *others), rows).show()


if __name__ == "__main__":
    main()
