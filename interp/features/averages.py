"""Averages of activations: over channels through the stages of a network, over the pictures of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from interp.capture import record
from interp.features.activations import activations_of, laid_out, plain, positions_of
from interp.features.channel_average import AVERAGES, Average, average_map
from interp.features.errors import FeatureError
from interp.images import open_image
from interp.images.opening import Source
from interp.models import ImageModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Strip:
    """The average activation of a picture through the stages of a network.

    Attributes:
        layers: the last layer of each stage, in order.
        shapes: `(C, H, W)` of each layer's activation.
        maps: the average over the channels of each, `(H, W)`, float32 on the CPU.
        average: which average it is.
        view: the part of the picture that the network saw; each map covers all of it.
    """

    layers: tuple[str, ...]
    shapes: tuple[tuple[int, int, int], ...]
    maps: tuple[Tensor, ...]
    average: Average
    view: Image.Image

    def figure(self, *, over: bool = False) -> Figure:
        """Draw the picture and the map of each stage, alone or over the picture, each on its own scale.

        Example:
            >>> strip_of(interp.load(), "sample_images/cat.jpg").figure().savefig("strip.png")
        """
        from interp.views import strip_figure

        return strip_figure(
            self.view,
            [map.numpy() for map in self.maps],
            layers=self.layers,
            shapes=self.shapes,
            title=f"{AVERAGES[self.average]} through the stages",
            over=over,
        )


def strip_of(
    model: ImageModel,
    picture: Source,
    layers: Sequence[str | int] | None = None,
    *,
    average: Average = "abs",
) -> Strip:
    """Return the average map of each stage of a network for a picture, from one pass.

    Args:
        model: from `interp.load`.
        picture: anything that `interp.open_image` takes.
        layers: instead of the ends of the stages.
        average: over the channels: mean, abs or l2.

    Raises:
        ImageError: the picture cannot be opened.
        LayerError: no such layer.
        FeatureError: the network has no stages, or a layer gives no map of positions.

    Example:
        >>> strip_of(interp.load(), "sample_images/cat.jpg").shapes[-1]
        (1280, 7, 7)
    """
    names = [model.layers.resolve(layer) for layer in (model.layers.stages if layers is None else layers)]
    if not names:
        raise FeatureError(
            f"{model.name} has no stages of maps to draw (is it a transformer?). Name layers: "
            f"`interp layers {model.name}` lists them."
        )
    opened = open_image(picture)
    inputs = model.prepare([opened])
    with model.twin() as private, record(private, names) as recording:
        private(inputs.clone())
        found = {name: laid_out(model, name, recording[name], inputs) for name in names}
        values = [plain(positions_of(found[name], inputs, name))[0] for name in names]
    return Strip(
        tuple(names),
        tuple((one.shape[0], one.shape[1], one.shape[2]) for one in values),
        tuple(average_map(one, average) for one in values),
        average,
        model.preprocess.view(opened),
    )


@dataclass(frozen=True, eq=False)
class ClassAverage:
    """What a layer puts out for the pictures of one class, on average.

    Attributes:
        name: of the class.
        count: number of its pictures.
        values: mean activation over the pictures, `(C, H, W)`.
        map: mean over the pictures of their average maps, `(H, W)`.
    """

    name: str
    count: int
    values: Tensor
    map: Tensor


def class_averages(
    model: ImageModel,
    pictures: Sequence[Source],
    classes: Sequence[str],
    layer: str | int | None = None,
    *,
    average: Average = "abs",
    batch_size: int = 16,
) -> list[ClassAverage]:
    """Average a layer's activations over the pictures of each class, in one pass over the pictures.

    Args:
        model: from `interp.load`.
        pictures: anything that `interp.open_image` takes.
        classes: the class of each picture.
        layer: as a person may name it; `model.default_layer` where None.
        average: over the channels, for the maps.
        batch_size: pictures in one pass.

    Returns:
        One average for each class, in order of their first pictures.

    Raises:
        FeatureError: there are not as many classes as pictures, or the layer gives no map of positions.
        ImageError: a picture cannot be opened.
        LayerError: no such layer.

    Example:
        >>> pictures = ["sample_images/cat.jpg", "sample_images/cat_small.jpg", "sample_images/coffee.jpg"]
        >>> found = class_averages(interp.load(), pictures, ["cat", "cat", "coffee"])
        >>> [(one.name, one.count, tuple(one.map.shape)) for one in found]
        [('cat', 2, (7, 7)), ('coffee', 1, (7, 7))]
    """
    if len(classes) != len(pictures):
        raise FeatureError(f"{len(classes)} classes for {len(pictures)} pictures: give one for each.")
    if batch_size < 1:
        raise FeatureError(f"batch_size={batch_size}: give 1 or more.")
    sums: dict[str, tuple[int, Tensor, Tensor]] = {}
    for start in range(0, len(pictures), batch_size):
        part = slice(start, start + batch_size)
        found = activations_of(model, pictures[part], layer, batch_size=batch_size)
        for name, one in zip(classes[part], found, strict=True):
            # Thousands of pictures add up in double precision.
            values, map = one.values.double(), one.average(average).double()
            count, values_before, map_before = sums.get(name, (0, values.new_zeros(()), map.new_zeros(())))
            sums[name] = count + 1, values_before + values, map_before + map
    return [
        ClassAverage(name, count, (values / count).float(), (map / count).float())
        for name, (count, values, map) in sums.items()
    ]
