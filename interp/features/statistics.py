"""Mean and standard deviation of a layer over a folder of pictures, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.stream import extractor_of, input_batches
from interp.images import pictures_in
from interp.models import ImageModel
from interp.progress import Progress

Array = npt.NDArray[np.float64]
Files = str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations of a stream of values; of any shape, each place by itself.

    Attributes:
        count: values so far, the same at each place.
        mean: float64.
        squares: sum of squared deviations from the mean, float64.
    """

    count: int
    mean: Array
    squares: Array

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Moments:
        """Return the moments of no value."""
        return cls(0, np.zeros(shape), np.zeros(shape))

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both streams together.

        `mean = mean_a + d n_b / n` and `squares = squares_a + squares_b + d² n_a n_b / n`, `d` the difference
        of the means (Chan, Golub, LeVeque: "Updating Formulae and a Pairwise Algorithm for Computing Sample
        Variances", 1979). Nothing large is subtracted from something large.
        """
        count = self.count + other.count
        if count == 0:
            return self
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        between = difference**2 * (self.count * other.count / count)
        return Moments(count, mean, self.squares + other.squares + between)

    @property
    def std(self) -> Array:
        """Of the population (divided by the count); NaN of no value."""
        if self.count == 0:
            return np.full_like(self.mean, np.nan)
        return np.asarray(np.sqrt(self.squares / self.count))


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """What a layer puts out on average over many pictures.

    Attributes:
        layer: as resolved, with `@call`.
        pictures: how many were taken in.
        channels: of each channel's activations, over pictures and positions, `(C,)`.
        map: of each position's strength, the mean over channels of |A|, over pictures, `(h, w)`.
        classes: the same for the pictures of each class, by name.
        failed: file → reason, for those that could not be opened.
    """

    layer: str
    pictures: int
    channels: Moments = field(repr=False)
    map: Moments = field(repr=False)
    classes: Mapping[str, LayerStatistics] = field(default_factory=dict, repr=False)
    failed: Mapping[str, str] = field(default_factory=dict, repr=False)


def layer_statistics(
    model: ImageModel,
    layer: str | int,
    pictures: Files,
    *,
    classes: Sequence[str] | Literal["folders"] | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> LayerStatistics:
    """Return mean ± standard deviation of a layer over pictures: per channel, per position, per class.

    One pass, float64, picture after picture: equal to what all activations at once would give, and
    independent of the batch size but for what batches change in the network's own sums. (Welford: "Note on a
    Method for Calculating Corrected Sums of Squares and Products", 1962.)

    Args:
        model: any model.
        layer: name, index or suffix; with a grid of positions, or without (a vector is one position).
        pictures: a folder, with all folders inside it, or files.
        classes: one name for each file, or "folders": the name of the folder that a file is in.
        batch_size: pictures in one pass of the network.
        progress: is told (done, all) after each batch.

    Raises:
        LayerError: no such layer, or several fit.
        FeatureError: not one class for each file, the layer has no channels, or no picture can be opened.

    Example:
        >>> found = layer_statistics(interp.load(), "blocks.2", "sample_images")
        >>> found.channels.mean.shape, found.map.std.shape
        ((40,), (28, 28))
    """
    files = files_of(pictures)
    names = _classes(files, classes)
    extractor = extractor_of(model, [layer])
    failed: dict[Path, str] = {}
    found: dict[str | None, LayerStatistics] = {}
    for batch in input_batches(model, files, batch_size=batch_size, failed=failed, progress=progress):
        with torch.no_grad():
            activations = as_maps(extractor(batch.inputs)[0], extractor.layers[0])
        for place, activation in zip(batch.places, activations, strict=True):
            of_one = _one(extractor.layers[0], activation)
            for name in {None, names[place] if names else None}:
                found[name] = _merged(found[name], of_one) if name in found else of_one
    said = {str(file): reason for file, reason in failed.items()}
    if None not in found:
        raise FeatureError(
            f"none of the {len(files)} pictures can be opened; the first: {next(iter(said.values()))}"
        )
    total = found.pop(None)
    by_class = {name: found[name] for name in sorted(name for name in found if name is not None)}
    return LayerStatistics(total.layer, total.pictures, total.channels, total.map, by_class, said)


def files_of(pictures: Files) -> list[Path]:
    """Return the pictures of a folder, or the files given.

    Raises:
        ImageError: no such folder, or no picture in it.
        FeatureError: an empty list.
    """
    if isinstance(pictures, (str, Path)):
        return pictures_in(pictures)
    files = [Path(file) for file in pictures]
    if not files:
        raise FeatureError("pictures: there is none. Give a folder or at least one file.")
    return files


def as_maps(activation: Tensor, layer: str) -> Tensor:
    """Return a layer's output as `(B, C, h, w)`; a vector has one position.

    Raises:
        FeatureError: it is neither.
    """
    if activation.dim() == 2:
        return activation[..., None, None]
    if activation.dim() != 4:
        raise FeatureError(
            f"the layer {layer!r} gives {tuple(activation.shape)}: give one with (batch, channels) or "
            "(batch, channels, height, width)."
        )
    return activation


def channel_moments(activation: Tensor) -> Moments:
    """Return the moments of each channel of one picture's activation `(C, h, w)` over its positions."""
    values = _precise(activation).flatten(1)
    squares, mean = torch.var_mean(values, 1, correction=0)
    count = values.shape[1]
    return Moments(count, mean.cpu().numpy(), (squares * count).cpu().numpy())


def _one(layer: str, activation: Tensor) -> LayerStatistics:
    strength = _precise(activation).abs().mean(0).cpu().numpy()
    place = Moments(1, strength, np.zeros_like(strength))
    return LayerStatistics(layer, 1, channel_moments(activation), place)


def _merged(first: LayerStatistics, second: LayerStatistics) -> LayerStatistics:
    channels, place = first.channels.merged(second.channels), first.map.merged(second.map)
    return LayerStatistics(first.layer, first.pictures + second.pictures, channels, place)


def _precise(activation: Tensor) -> Tensor:
    # Apple's accelerator has no double precision.
    return (activation.cpu() if activation.device.type == "mps" else activation).double()


def _classes(files: Sequence[Path], classes: Iterable[str] | str | None) -> list[str] | None:
    if classes is None:
        return None
    if classes == "folders":
        return [file.parent.name for file in files]
    names = [] if isinstance(classes, str) else list(classes)
    if len(names) != len(files):
        raise FeatureError(
            f"classes: {len(names)} given for {len(files)} pictures. Give one for each, or 'folders'."
        )
    return names
