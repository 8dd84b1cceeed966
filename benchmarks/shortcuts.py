"""Methods that change picture or channels: what their shortcuts cost in agreement."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from results import Table, arguments, publish
from scipy.stats import spearmanr
from torch.utils.flop_counter import FlopCounterMode

import interp
from interp.images import open_image
from interp.methods.rise import _drawn

# The full method and its shortcuts. Where noise is the question, they have another seed.
SHORTCUTS = {
    "Score-CAM": (
        "score-cam",
        [
            "score-cam(fast=True)",
            "score-cam(channels=32)",
            "score-cam(channels=64, by='variance')",
            "score-cam(channels=64, by='gradient')",
            "score-cam(groups=64)",
        ],
    ),
    "Ablation-CAM": ("ablation-cam", ["ablation-cam(channels=64)", "grad-cam"]),
    "Ablation-CAM, blocks.5": (
        "ablation-cam",
        ["ablation-cam(channels=16)", "ablation-cam(channels=64)", "grad-cam"],
    ),
    "Occlusion": ("occlusion", ["occlusion(stride=0.2)", "occlusion(window=0.3, stride=0.15)"]),
    "Extremal perturbation": ("extremal-perturbation", ["extremal-perturbation(steps=50)"]),
}


def agreement(one: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """Return the rank correlation of two maps, and which share of the top tenth they have in common."""
    if min(one.shape) > 56:  # neighbouring pixels of a smooth map say the same
        one, other = (torch.nn.functional.adaptive_avg_pool2d(m[None], 56)[0] for m in (one, other))
    count = max(1, round(one.numel() / 10))
    tops = [set(m.flatten().topk(count).indices.tolist()) for m in (one, other)]
    return float(spearmanr(one.flatten(), other.flatten()).statistic), len(tops[0] & tops[1]) / count


def shortcuts(model: interp.ImageModel, paths: Sequence[Path], only: Sequence[str]) -> list[Table]:
    tables = []
    for title, (full, quick) in SHORTCUTS.items():
        if only and title not in only:
            continue
        layer = title.split(", ")[1] if ", blocks" in title else None
        found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in (full, *quick)}
        for path in paths:
            inputs = model.prepare([open_image(path)])
            target = int(model.logits(inputs)[0].argmax())
            reference = None
            for name in found:
                run = functools.partial(interp.attribute, model, inputs, target, [name], layer and [layer])
                started = time.perf_counter()
                with FlopCounterMode(display=False) as counter:
                    (map_,) = run().maps.values()
                seconds = time.perf_counter() - started
                reference = map_[0] if reference is None else reference
                found[name].append((*agreement(reference, map_[0]), counter.get_total_flops(), seconds))
        with FlopCounterMode(display=False) as counter:
            model.logits(inputs)
        forward = counter.get_total_flops()
        rows = []
        for name, values in found.items():
            rho, top, flops, seconds = (list(column) for column in zip(*values, strict=True))
            rows.append(
                (
                    f"`{name}`",
                    f"{fmean(flops) / forward:.1f}",
                    f"{fmean(seconds):.1f}",
                    f"{fmean(rho):.3f} ({min(rho):.3f})",
                    f"{fmean(top):.2f} ({min(top):.2f})",
                )
            )
        columns = ("", "FLOPs, × forward", "s", "rank correlation (worst)", "top tenth kept (worst)")
        note = f"{len(paths)} pictures, each with its predicted class; against the first row."
        tables.append(Table(title, columns, rows, note))
        tables[-1].show()
    return tables


def noise(model: interp.ImageModel, paths: Sequence[Path], masks: int) -> Table:
    """How alike two RISE maps with other seeds will be, from how much the masks of one run disagree."""
    drawn = _drawn(masks, model.preprocess.size, 7, 0.5, 0, paired=True)
    found = []
    for path in paths:
        inputs = model.prepare([open_image(path)])
        target = int(model.logits(inputs)[0].argmax())
        scores, small = [], []
        for start in range(0, masks, 8):
            some = drawn.masks(start, start + 8)
            scores.append(model.logits(inputs * some)[:, target])
            small.append(torch.nn.functional.adaptive_avg_pool2d(some, 56)[:, 0].flatten(1))
        score, mask = torch.cat(scores).double(), torch.cat(small).double()
        parts = (score - score.mean())[:, None] * (mask - 0.5) / 0.5
        pairs = parts.unflatten(0, (-1, 2)).mean(1)
        one, two = float(parts.var(0).mean()), 2 * float(pairs.var(0).mean())
        signal = float(parts.mean(0).var()) - two / masks
        found.append((signal, one, two))
    rows = []
    for count in (250, 500, 1000, 2000, 4000, 8000):
        plain, paired = (
            [max(signal, 0) / (max(signal, 0) + n[kind] / count) for signal, *n in found] for kind in (0, 1)
        )
        rows.append((str(count), *(f"{fmean(r):.2f} ({min(r):.2f})" for r in (plain, paired))))
    columns = ("masks", "plain (worst picture)", "paired")
    note = f"Correlation of two maps with other seeds, from {masks} masks of {len(paths)} pictures."
    table = Table("RISE: noise", columns, rows, note)
    table.show()
    return table


def main() -> None:
    parser = arguments(__doc__ or "", seconds=0)
    parser.add_argument("pictures", type=Path, metavar="FOLDER", help="of photographs")
    parser.add_argument(
        "--count", type=int, default=6, help="pictures, evenly through the folder (%(default)s)"
    )
    parser.add_argument("--only", nargs="*", default=[], help=f"of {', '.join(SHORTCUTS)}, RISE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = interp.load()
    tables = []
    every = sorted(options.pictures.glob("*.jpg"))
    paths = every[len(every) // options.count // 2 :: len(every) // options.count][: options.count]
    tables += shortcuts(model, paths, options.only)
    if not options.only or "RISE" in options.only:
        tables.append(noise(model, paths, 600))
    name = (
        "shortcuts"
        if not options.only
        else "shortcuts_"
        + "_".join("".join(c if c.isalnum() else "-" for c in one.lower()) for one in options.only)
    )
    publish(name, "Methods that change picture or channels", tables, [], {}, options.threads)


if __name__ == "__main__":
    main()
