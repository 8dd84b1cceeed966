"""Which units of a generator paint what: their strong activations against masks of the pictures it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.generated import Samples, made_pictures, samples_of
from interp.features.generator_units import GeneratorDissection, activation_and_output
from interp.features.overlap import Overlap, rank_of
from interp.features.picture_concepts import Concepts, masks_of, segmented_by, simple_concepts
from interp.features.statistics import Files
from interp.models import ImageModel
from interp.progress import Progress, part_of

LEVELS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
# What an inserted unit is set to: the mean of so large a share of its values.
HIGH = 0.01
# Values that are sorted, for each unit and for all; of more, chosen ones.
_VALUES, _ALL_VALUES = 200_000, 2**25


def dissect_generator(
    model: ImageModel,
    layer: str | int,
    pictures: Files | None = None,
    *,
    concepts: Concepts | ImageModel | None = None,
    count: int | None = None,
    seed: int = 0,
    quantile: float | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> GeneratorDissection:
    """Return which units of a generator's layer are strong where a concept is in the pictures it makes.

    `IoU_uc = Σ |r_u↑ > t_uc ∧ s_c(x)| / Σ |r_u↑ > t_uc ∨ s_c(x)|`, sums over all pixels of all samples; r_u↑
    is the unit's activation, enlarged to the picture x. The threshold is one that 0.5, 1, 2, 5, 10, 20, 30,
    40 or 50 % of the unit's activations exceed: the one with the highest information quality ratio
    `I(r_u↑ > t; s_c) / H(r_u↑ > t, s_c)`. So does the paper, on samples of their own; here they are the same.
    With `quantile`, it is one share for all. (Bau, Zhu, Strobelt, Zhou, Tenenbaum, Freeman, Torralba:
    "GAN Dissection", ICLR 2019.)

    The shares are exact up to 200,000 activations of a unit; of more, so many are drawn, as many from each
    sample. Two passes over the samples.

    Args:
        model: of task "image"; with an `input_shape` it is given noise, else pictures.
        layer: name, index or suffix; with a grid of positions.
        pictures: a folder or files, for a network that makes pictures of pictures.
        concepts: a segmentation, or a function from a picture to masks by name; default: `simple_concepts`.
        count: at most so many samples; default 256.
        seed: of the noise, and of which activations are drawn.
        quantile: share of the activations that counts as strong, above 0, below 1; default: the best of the
            shares above, for each unit and concept.
        batch_size: samples in one pass of the network.
        progress: is told (done, all) after each batch.

    Raises:
        LayerError: no such layer, or several fit.
        FeatureError: the model makes no pictures, or pictures are missing or of no use; the layer has no
            grid; the concepts are none; a number is out of its range.

    Example:
        >>> found = dissect_generator(interp.load("runs/noise/generator"), "3", seed=1)
        >>> unit = found.ranked("bright")[0]
        >>> found.best(unit)
    """
    if quantile is not None and not 0 < quantile < 1:
        raise FeatureError(f"quantile={quantile}: give a share above 0 and below 1, as 0.01.")
    if batch_size < 1:
        raise FeatureError(f"batch_size={batch_size}: give 1 or more.")
    samples = samples_of(model, pictures, count, seed)
    name = model.layers.resolve(layer)
    if (layout := model.layers[name].layout) is not None and layout.kind != "first":
        raise FeatureError(f"layer {name!r} does not put channels first; choose a convolution.")
    masks = segmented_by(concepts) if isinstance(concepts, ImageModel) else concepts or simple_concepts
    failed: dict[Path, str] = {}
    levels = LEVELS if quantile is None else (quantile,)
    measured = _measured(samples, name, levels, batch_size, failed, progress and part_of(progress, 0, 2))
    samples = samples.without(list(failed))
    names, overlap = _overlap(
        samples, name, measured.limits, masks, batch_size, progress and part_of(progress, 1, 2)
    )
    chosen = overlap.quality().argmax(1, keepdim=True)
    return GeneratorDissection(
        layer=name,
        concepts=tuple(names),
        iou=overlap.iou().gather(1, chosen)[:, 0].numpy(),
        chance=overlap.by_chance().gather(1, chosen)[:, 0].numpy(),
        thresholds=measured.limits.gather(1, chosen[:, 0]).numpy(),
        shares=np.array(levels)[chosen[:, 0].numpy()],
        areas=(overlap.labelled / overlap.pixels).numpy(),
        means=measured.means.numpy(),
        high=measured.high.numpy(),
        peaks=measured.peaks.numpy(),
        samples=samples,
        failed={str(file): reason for file, reason in failed.items()},
        masks=masks,
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """Of each unit: thresholds `(units, levels)`, mean, mean of the top, highest in each sample."""

    limits: Tensor
    means: Tensor
    high: Tensor
    peaks: Tensor


def _measured(
    samples: Samples,
    layer: str,
    levels: Sequence[float],
    batch_size: int,
    failed: dict[Path, str],
    progress: Progress | None,
) -> _Measured:
    source = torch.Generator().manual_seed(samples.seed)
    kept: list[Tensor] = []
    peaks: list[Tensor] = []
    for batch in samples.batches(batch_size, failed, progress):
        with samples.model.twin() as private:
            maps = activation_and_output(private, layer, batch.inputs)[0].float().cpu()
        for one in maps.flatten(2):
            most = max(1, min(_VALUES, _ALL_VALUES // len(one)) // samples.count)
            drawn = torch.randperm(one.shape[1], generator=source)[:most] if one.shape[1] > most else ...
            kept.append(one[:, drawn])
            peaks.append(one.amax(1))
    if not kept:
        first = next(iter(failed.values()))
        raise FeatureError(f"none of the {samples.count} pictures can be opened; the first: {first}")
    limits, means, high = [], [], []
    for values in torch.cat(kept, 1):
        ordered = values.sort(descending=True).values
        limits.append(torch.stack([ordered[rank_of(len(ordered), level) - 1] for level in levels]))
        means.append(ordered.double().mean().float())
        high.append(ordered[: max(1, int(len(ordered) * HIGH))].double().mean().float())
    return _Measured(torch.stack(limits), torch.stack(means), torch.stack(high), torch.stack(peaks, 1))


def _overlap(
    samples: Samples,
    layer: str,
    limits: Tensor,
    concepts: Concepts,
    batch_size: int,
    progress: Progress | None,
) -> tuple[list[str], Overlap]:
    names: list[str] = []
    counts = Overlap(limits.shape[0], limits.shape[1], 0)
    for batch in samples.batches(batch_size, None, progress):
        with samples.model.twin() as private:
            maps, output = activation_and_output(private, layer, batch.inputs)
        for activation, picture in zip(maps.float(), made_pictures(samples.model, output), strict=True):
            masks = masks_of(concepts, picture)
            names += [name for name in masks if name not in names]
            counts.grow(len(names))
            empty = np.zeros((picture.height, picture.width), bool)
            labels = np.stack([masks.get(name, empty).ravel() for name in names], 1) if names else None
            if labels is None:
                raise FeatureError("concepts: the function gives no mask; it must give at least one.")
            counts.add(activation, limits, torch.from_numpy(labels), (picture.height, picture.width))
    return names, counts
