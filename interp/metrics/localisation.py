"""Whether the map lies where the target is known to be."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import ndimage

from interp.metrics.registry import metric
from interp.metrics.trial import Measured, MetricError, Trial

_TOLERANCE = 15 / 224  # of the pointing game: 15 pixels, in short sides


@metric(
    "relevance-mass",
    "Relevance mass",
    kind="localisation",
    better="higher",
    limits=(0, 1),
    formula="Σ_(i in M) E_i / Σ_i E_i, the energy pointing game",
    paper="Wang et al., Score-CAM, CVPR Workshops 2020; Arras et al., CLEVR-XAI, 2022",
    silent="The network may be right to look elsewhere; a map with one hot spot inside gets everything.",
    truth=True,
)
def relevance_mass(trial: Trial) -> Measured:
    """Return which part of what the map shows lies on the target."""
    seen, inside = trial.evidence.cpu(), _inside(trial)
    total = float(seen.sum())
    value = float(seen[inside].sum()) / total if total > 0 else float("nan")
    return Measured(value, chance=_area(inside), note="" if total > 0 else "the map shows nothing")


@metric(
    "rank-accuracy",
    "Rank accuracy",
    kind="localisation",
    better="higher",
    limits=(0, 1),
    formula="|M ∩ the |M| strongest positions| / |M|",
    paper="Arras et al., CLEVR-XAI, Information Fusion 2022",
    silent="A small part of an object may be all that counts; then most of the object rightly is cold.",
    truth=True,
)
def rank_accuracy(trial: Trial) -> Measured:
    """Return which part of the target is among as many strongest positions; ties count by their share."""
    heat, inside = trial.heat.flatten().cpu(), _inside(trial).flatten()
    size = int(inside.sum())
    lowest = heat.topk(size).values[-1]
    above, tied = heat > lowest, heat == lowest
    wanted = size - int(above.sum())
    hits = float(above[inside].sum()) + wanted * float(tied[inside].sum()) / float(tied.sum())
    return Measured(hits / size, chance=_area(inside))


@metric(
    "pointing-game",
    "Pointing game",
    kind="localisation",
    better="higher",
    limits=(0, 1),
    formula="1 where the strongest position lies within 15 pixels (of 224) of M, else 0",
    paper="Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016",
    silent="One position decides; in pictures with one large object the centre wins, too.",
    truth=True,
)
def pointing_game(trial: Trial, *, tolerance: float = _TOLERANCE) -> Measured:
    """Return whether the map points at the target.

    Where several positions are equally strong, the share of them that hits: a constant map is no hit, it is
    the area within reach. A map that shows nothing points nowhere.

    Args:
        trial: the map.
        tolerance: in pixels where it is 1 or more, else in short sides of the picture.
    """
    if not tolerance >= 0:
        raise MetricError(f"pointing-game(tolerance={tolerance!r}): give 0 or more.")
    inside = _inside(trial)
    radius = tolerance if tolerance >= 1 else tolerance * min(trial.size)
    distance = ndimage.distance_transform_edt(~inside.numpy())
    near = torch.from_numpy(distance <= radius + 1e-9)
    seen = trial.evidence.cpu()
    peak = seen == seen.max()
    value = float(near[peak].float().mean()) if float(seen.max()) > 0 else 0.0
    if bool(peak.all()):
        value = 0.0
    return Measured(value, chance=_area(near))


@metric(
    "box-iou",
    "Box IoU",
    kind="localisation",
    better="higher",
    limits=(0, 1),
    formula="IoU of the box around the largest part with E ≥ t and the box around M",
    paper="Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016",
    silent="The threshold decides as much as the map does, and every method has its own best one.",
    truth=True,
)
def box_iou(trial: Trial, *, threshold: float = 0.2) -> Measured:
    """Return how well a box around what the map shows fits the box around the target.

    Args:
        trial: the map; of a picture with two sides.
        threshold: how much of the maximum is shown.
    """
    if not 0 < threshold <= 1:
        raise MetricError(f"box-iou(threshold={threshold!r}): give more than 0 and at most 1.")
    if len(trial.size) != 2:
        raise MetricError("Box IoU needs a picture, with two sides.")
    real = _box(_inside(trial).numpy())
    whole = (0, 0, *trial.size)
    chance = _iou(whole, real)
    parts, count = ndimage.label(trial.evidence.cpu().numpy() >= threshold, np.ones((3, 3)))
    if count == 0:
        return Measured(0.0, chance=chance, note="the map shows nothing")
    largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return Measured(_iou(_box(parts == largest), real), chance=chance)


def _inside(trial: Trial) -> torch.Tensor:
    assert trial.truth is not None
    return trial.truth.cpu().bool()


def _area(inside: torch.Tensor) -> float:
    return float(inside.float().mean())


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _iou(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    sides = [min(one[k + 2], other[k + 2]) - max(one[k], other[k]) for k in (0, 1)]
    common = math.prod(max(side, 0) for side in sides)
    areas = [math.prod(box[k + 2] - box[k] for k in (0, 1)) for box in (one, other)]
    return common / (sum(areas) - common)
