"""SESS: maps of windows that slide over a picture at several scales, pooled into one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import torch
import torch.nn.functional as F

from interp.logits import LogitTarget
from interp.methods.fusing import share_of_peak
from interp.methods.probe import AT_ONCE, Probe
from interp.methods.registry import Method, MethodError

MOST_SCALES = 12
STEP = 64 / 224
KEPT = 10


@dataclass(frozen=True)
class Crop:
    """A window of the input's size on the input enlarged to `size`, from `top` and `left` on."""

    size: tuple[int, int]
    top: int
    left: int


def crops_of(scales: int, size: tuple[int, int]) -> list[Crop]:
    """Return the windows that cover the picture at each of so many scales, from the smallest scale on.

    The scales are those of the paper, 1, 1 + 64/224, 1 + 128/224, …; the last window of a row or column is
    moved back to the edge.

    Example:
        >>> [len(crops_of(scales, (224, 224))) for scales in (1, 2, 6, 12)]
        [1, 5, 31, 122]
    """
    found = []
    for number in range(scales):
        height, width = (round(side * (1 + number * STEP)) for side in size)
        for top in _starts(height, size[0]):
            found += [Crop((height, width), top, left) for left in _starts(width, size[1])]
    return found


def _starts(length: int, window: int) -> list[int]:
    return [min(start, length - window) for start in range(0, length, window)]


def scaled_and_slid(probe: Probe, *, base: Method, scales: int) -> torch.Tensor:
    """Return the maps of the best-rated windows, each where its window lies, averaged where they are not 0.

    A window counts by the positive part of its map over its maximum, times the target's probability in the
    window over the highest. The map's grid is as fine as that of the largest scale.
    """
    if probe.inputs.dim() != 4:
        raise MethodError(f"{base.name}(sess={scales}): windows slide over pictures, and over nothing else.")
    height, width = probe.inputs.shape[2:]
    crops = crops_of(scales, (height, width))
    rates = _rated(probe, crops)
    best = rates.argsort(descending=True, stable=True)[:KEPT].sort().values
    windows = torch.cat(list(_cut(probe.inputs, [crops[index] for index in best.tolist()])))
    maps = probe.maps(base, windows).float().cpu()
    rates = rates[best].float().cpu()
    weights = rates / rates.max() if rates.max() > 0 else torch.ones_like(rates)
    share = share_of_peak(maps) * weights[:, None, None]
    finer = 1 if base.place == "input" else 1 + (scales - 1) * STEP
    grid = tuple(round(side * finer) for side in maps.shape[1:])
    placed = torch.stack(
        [
            _placed(each, crops[index], (height, width), grid)
            for each, index in zip(share, best.tolist(), strict=True)
        ]
    )
    return (placed.sum(0) / (placed > 0).sum(0).clamp(min=1)).to(probe.inputs.device)


def _cut(inputs: torch.Tensor, crops: Sequence[Crop]) -> Iterator[torch.Tensor]:
    """Yield the windows one after the other; each enlargement is made once and kept no longer than needed."""
    height, width = inputs.shape[2:]
    for size, own in groupby(crops, key=lambda crop: crop.size):
        enlarged = inputs
        if size != (height, width):
            enlarged = F.interpolate(inputs, size, mode="bilinear", align_corners=False)
        for crop in own:
            window = enlarged[:, :, crop.top : crop.top + height, crop.left : crop.left + width]
            yield window.clone()  # a view would keep the whole enlargement alive


def _rated(probe: Probe, crops: Sequence[Crop]) -> torch.Tensor:
    """Return the target's probability in each window; of a callable the positive part of its score."""
    windows = _cut(probe.inputs, crops)
    outputs = torch.cat(
        [
            probe.outputs(torch.cat(list(islice(windows, AT_ONCE))), len(crops))
            for _ in range(0, len(crops), AT_ONCE)
        ]
    )
    if not isinstance(probe.target, LogitTarget):
        return probe.ask(outputs).clamp(min=0)
    odds = outputs.double() if outputs.device.type != "mps" else outputs.float()
    if probe.model.activation == "softmax":
        chance = odds.log_softmax(1)
        odds = chance - torch.log1p(-chance.exp().clamp(max=1 - 1e-12))
    # A sum's log-odds are those of its classes on average, a contrast's their difference.
    sides = [sum(c for _, c in probe.target.terms if sign * c > 0) for sign in (1, -1)]
    size = max(map(abs, sides)) or 1.0
    return (probe.target(odds) / size).sigmoid()


def _placed(map_: torch.Tensor, crop: Crop, window: tuple[int, int], grid: tuple[int, ...]) -> torch.Tensor:
    """Return the map of a window on the grid of the whole picture, 0 outside of it."""
    across, down = (
        ((torch.arange(cells) + 0.5) / cells * length - start) / side
        for cells, length, start, side in (
            (grid[1], crop.size[1], crop.left, window[1]),
            (grid[0], crop.size[0], crop.top, window[0]),
        )
    )
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)
    found = F.grid_sample(
        map_[None, None], 2 * places[None] - 1, mode="bilinear", padding_mode="border", align_corners=False
    )[0, 0]
    return torch.where(((places >= 0) & (places < 1)).all(-1), found, 0)
