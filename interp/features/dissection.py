"""Which channels detect which classes: the overlap of strong activations with masks (network dissection)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.features.overlap import Overlap, best_of, detectors_of, rank_of
from interp.features.statistics import Files, as_maps, files_of
from interp.features.stream import extractor_of, input_batches
from interp.images import Box, Preprocess, open_image
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = npt.NDArray[np.integer]
Read = Callable[[Any], Mask]

QUANTILE = 0.005
DETECTS = 0.04


@dataclass(frozen=True, eq=False)
class Dissection:
    """How well each channel's strong activations lie on each class.

    Attributes:
        layer: as resolved, with `@call`.
        classes: names, in the order of the columns.
        thresholds: `(C,)`, the value that the top share of each channel's activations exceeds.
        iou: `(C, classes)`, intersection over union over all pixels of all pictures, 0 … 1; NaN of a class
            that is in no mask.
        pictures: how many were taken in.
        failed: file → reason, for those that could not be opened.
    """

    layer: str
    classes: tuple[str, ...]
    thresholds: npt.NDArray[np.float32] = field(repr=False)
    iou: npt.NDArray[np.float64] = field(repr=False)
    pictures: int
    failed: dict[str, str] = field(default_factory=dict, repr=False)

    def best(self, channel: int) -> tuple[str, float]:
        """Return the class that a channel fits best, and the IoU.

        Raises:
            FeatureError: there is no such channel.
        """
        if not 0 <= channel < len(self.iou):
            raise FeatureError(f"channel {channel}: {self.layer!r} has the channels 0 … {len(self.iou) - 1}.")
        return best_of(self.iou[channel], self.classes)

    def detectors(self, threshold: float = DETECTS) -> dict[str, list[int]]:
        """Return the channels whose best class has more than `threshold`, by class, the best first.

        The number of keys is what the paper calls the unique detectors of a layer; 0.04 is its threshold.
        """
        return detectors_of(self.iou, self.classes, threshold)

    def figure(self, count: int = 20) -> Figure:
        """Draw the channels that fit a class best, with the threshold of the paper.

        Args:
            count: at most so many channels.

        Example:
            >>> dissect(model, "up1", pictures, masks, ["sky", "road"]).figure().savefig("dissection.png")
        """
        from interp.views import bar_figure

        best = [(*self.best(channel), channel) for channel in range(len(self.iou))]
        best.sort(key=lambda one: (-one[1], one[2]))
        unique = len(self.detectors())
        return bar_figure(
            [max(score, 0.0) for _, score, _ in best[:count]],
            [f"channel {channel}: {name}" for name, _, channel in best[:count]],
            heading=f"What the channels of {self.layer.removesuffix('@0')} detect",
            unit=f"IoU in {self.pictures} pictures  ·  {unique} of {len(self.classes)} classes detected",
            reference=DETECTS,
            reference_name="detects from",
        )


def dissect(
    model: ImageModel,
    layer: str | int,
    pictures: Files,
    masks: Sequence[Any],
    classes: Sequence[str],
    *,
    read: Read = np.asarray,
    quantile: float = QUANTILE,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> Dissection:
    """Return the network dissection score of each channel of a layer for each class of some masks.

    `IoU_kc = Σ |M_k ∩ L_c| / Σ |M_k ∪ L_c|`, the sums over all pictures. M_k is where channel k, enlarged to
    the network's input, exceeds T_k, the top 0.5 % of its activations over all pictures and positions; L_c is
    where the mask says c. (Bau, Zhou, Khosla, Oliva, Torralba: "Network Dissection", 2017.) The threshold is
    exact, not sketched. Two passes over the pictures.

    Args:
        model: any model.
        layer: name, index or suffix; with a grid of positions.
        pictures: a folder, with all folders inside it, or files.
        masks: one for each picture, in the order of the files: whole numbers `(h, w)`, or whatever `read`
            makes them of. A mask covers its whole picture, at any resolution. Numbers below 0, or without a
            name in `classes`, are not counted at all.
        classes: name of the number 0, 1, ….
        read: opens a mask, as `interp.training.data.open_mask` does.
        quantile: share of the activations that counts as strong, above 0, below 1.
        batch_size: pictures in one pass of the network.
        progress: is told (done, all) after each batch; all is twice the pictures.

    Raises:
        LayerError: no such layer, or several fit.
        FeatureError: not one mask for each picture, a mask is none, no class, no picture can be opened, or
            the quantile is out of its range.

    Example:
        >>> files = ["sample_images/cat.jpg", "sample_images/coffee.jpg"]
        >>> masks = [np.zeros((300, 451), int), np.ones((400, 600), int)]
        >>> found = dissect(interp.load(), "blocks.2", files, masks, ["cat", "coffee"], quantile=0.1)
        >>> found.iou.shape
        (40, 2)
    """
    files = files_of(pictures)
    if len(masks) != len(files):
        raise FeatureError(f"masks: {len(masks)} given for {len(files)} pictures. Give one for each.")
    if not classes:
        raise FeatureError("classes: there is none. Give the name of each number of the masks, from 0.")
    if not 0 < quantile < 1:
        raise FeatureError(f"quantile={quantile}: give a share above 0 and below 1, as 0.005.")
    extractor = extractor_of(model, [layer])
    failed: dict[Path, str] = {}
    stream = _Stream(model, extractor, files, batch_size, failed, progress)
    thresholds, counted = _thresholds(stream, quantile)
    overlap = Overlap(len(thresholds), 1, len(classes))
    for place, activation in stream.activations(second=True):
        labels = _seen(_checked(read(masks[place]), place), model.preprocess, _size_of(files[place]))
        known = torch.from_numpy((labels >= 0) & (labels < len(classes)))
        one_hot = F.one_hot(torch.from_numpy(labels)[known], len(classes))
        overlap.add(activation, thresholds[:, None], one_hot, labels.shape, known)
    iou = overlap.iou()[:, 0]
    said = {str(file): reason for file, reason in failed.items()}
    return Dissection(extractor.layers[0], tuple(classes), thresholds.numpy(), iou.numpy(), counted, said)


@dataclass(frozen=True, eq=False)
class _Stream:
    """The pictures that go through the network twice."""

    model: ImageModel
    extractor: Extractor
    files: Sequence[Path]
    batch_size: int
    failed: dict[Path, str]
    progress: Progress | None

    def activations(self, *, second: bool) -> Iterator[tuple[int, Tensor]]:
        """Yield the place of each picture and its activation `(C, h, w)`, float32."""
        before = len(self.files) if second else 0

        def tell(done: float, count: float) -> None:
            if self.progress:
                self.progress(before + done, 2 * count)

        batches = input_batches(
            self.model, self.files, batch_size=self.batch_size, failed=self.failed, progress=tell
        )
        for batch in batches:
            with torch.no_grad():
                maps = as_maps(self.extractor(batch.inputs)[0], self.extractor.layers[0]).float()
            yield from zip(batch.places, maps, strict=True)


def _thresholds(stream: _Stream, quantile: float) -> tuple[Tensor, int]:
    """Return what the top `quantile` of each channel's activations exceeds, `(C,)`, and how many pictures."""
    top: Tensor | None = None
    waiting: list[Tensor] = []
    values = pictures = 0
    for _, activation in stream.activations(second=False):
        waiting.append(activation.flatten(1))
        values += waiting[-1].shape[1]
        pictures += 1
        # As many as could be needed at the end; only they are kept.
        if len(waiting) == 16:
            most = rank_of(values + waiting[-1].shape[1] * (len(stream.files) - pictures), quantile)
            top = _highest(top, waiting, most)
            waiting = []
    if not pictures:
        first = next(iter(stream.failed.values()))
        raise FeatureError(f"none of the {len(stream.files)} pictures can be opened; the first: {first}")
    top = _highest(top, waiting, rank_of(values, quantile)) if waiting or top is not None else None
    assert top is not None
    return top[:, min(rank_of(values, quantile), top.shape[1]) - 1].cpu(), pictures


def _highest(top: Tensor | None, waiting: list[Tensor], most: int) -> Tensor:
    together = torch.cat([*([] if top is None else [top]), *waiting], 1)
    return together.topk(min(most, together.shape[1]), 1).values


def _checked(mask: npt.ArrayLike, place: int) -> Mask:
    array = np.asarray(mask)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or array.size == 0:
        raise FeatureError(
            f"masks[{place}]: {array.dtype} of shape {array.shape}; give whole numbers (height, width), or a "
            "way to read them (read=)."
        )
    return array


def _size_of(file: Path) -> tuple[int, int]:
    return open_image(file).size


def _seen(mask: Mask, preprocess: Preprocess, size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return the number under the centre of each pixel of the network's input; -1 outside the picture."""
    box: Box = preprocess.box(size)
    height, width = preprocess.size
    x = (box.left + (np.arange(width) + 0.5) * box.width / width) / size[0]
    y = (box.top + (np.arange(height) + 0.5) * box.height / height) / size[1]
    columns, rows = np.floor(x * mask.shape[1]).astype(int), np.floor(y * mask.shape[0]).astype(int)
    inside = ((y >= 0) & (y < 1))[:, None] & ((x >= 0) & (x < 1))[None]
    found = mask[rows.clip(0, mask.shape[0] - 1)][:, columns.clip(0, mask.shape[1] - 1)].astype(np.int64)
    return np.where(inside, found, -1)
