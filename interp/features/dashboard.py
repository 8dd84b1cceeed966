"""One channel on one page: what drives it, drawn and found, what it is made of, what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from interp.features.channel import class_effects, mean_gram, strongest
from interp.features.example_set import Channel, Example, Examples, crop
from interp.features.gram import Neighbour, neighbours
from interp.features.origin import Origin, origin_of
from interp.features.visualisation import Visualisation, visualise
from interp.features.visualisation import channel as channel_objective
from interp.images import ImageError, open_image
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.views.channel import Bars

_INPUTS = 6
_NEAR = 6


@dataclass(frozen=True, eq=False)
class ChannelReport:
    """All that is known of one channel of one layer.

    Attributes:
        model: what people call the network.
        layer: its full name.
        about: the channel's examples and statistics.
        grid: (rows, columns) of the layer.
        channels: how many the layer has.
        crops: the examples, each with the part that excites the channel; none whose picture is gone.
        effects: (class, what it loses without the channel), from high to low; None without classes.
        origin: the convolution that makes it, if there is one.
        neighbours: the channels that fire where it fires, each with its own strongest crop.
        visualisation: the picture made to drive it; None if it was not asked for.
    """

    model: str
    layer: str
    about: Channel
    grid: tuple[int, int]
    channels: int
    crops: tuple[tuple[Example, Image.Image], ...]
    effects: tuple[tuple[str, float], ...] | None
    origin: Origin | None
    neighbours: tuple[tuple[Neighbour, Image.Image], ...]
    visualisation: Visualisation | None

    @property
    def reached(self) -> float | None:
        """The channel's maximum over positions on the picture made to drive it."""
        return None if self.visualisation is None else float(self.visualisation.peaks[0])

    def figure(self) -> Figure:
        """Draw the page.

        Example:
            >>> examples = top_examples(interp.load(), "blocks.2", "sample_images")
            >>> channel_report(interp.load(), examples, 5, steps=64).figure().savefig("channel.png")
        """
        from interp.views import number
        from interp.views.channel import Bars, Shown, channel_figure

        about, made = self.about, self.visualisation
        kernel, words, inputs = _made_of(self.origin)
        above, grid = f"above 0 at {about.active:.0%} of them", f"{self.grid[0]} × {self.grid[1]} positions"
        return channel_figure(
            heading=f"channel {about.index} of {self.layer}  ·  {self.model}",
            caption=f"one of {self.channels} channels of {grid}  ·  {above}  ·  "
            f"mean {number(about.mean)}, deviation {number(about.std)}",
            crops=[Shown(np.asarray(part), number(example.value)) for example, part in self.crops],
            maxima=about.maxima,
            visualisation=None if made is None else Shown(made.arrays[0]),
            reached=self.reached,
            effects=None if self.effects is None else Bars(*_columns(self.effects)),
            kernel=kernel,
            kernel_words=words,
            inputs=inputs,
            neighbours=[
                Shown(np.asarray(one), f"{near.channel}: {near.cosine:.2f}") for near, one in self.neighbours
            ],
        )


def channel_report(
    model: ImageModel,
    examples: Examples,
    channel: int,
    *,
    visualised: bool = True,
    steps: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> ChannelReport:
    """Return what is known of a channel; effects and neighbours are measured on its own examples.

    Args:
        model: the one whose examples they are; it is not touched.
        examples: of `top_examples`, for the channel's layer.
        channel: its number.
        visualised: whether to make the picture that drives it, the part that takes time.
        steps: of that.
        seed: of that.
        progress: is told after each step.
        stop: is asked before each step.

    Raises:
        FeatureError: no such channel, or the layer has no grid of positions.

    Example:
        >>> examples = top_examples(interp.load(), "blocks.2", "sample_images")
        >>> channel_report(interp.load(), examples, 5, visualised=False).about.active
    """
    about, layer = examples.channel(channel), _plain_name(model, examples.layer)
    inputs, crops = _inputs(model, about, examples)
    effects = None
    near: tuple[Neighbour, ...] = ()
    if inputs is not None:
        effects = _named(model, class_effects(model, layer, channel, inputs))
        near = neighbours(mean_gram(model, layer, inputs), channel, _NEAR)
    made = None
    if visualised:
        objective = channel_objective(layer, channel)
        made = visualise(model, objective, steps=steps, seed=seed, progress=progress, stop=stop)
    rows, columns = examples.about["grid"]
    return ChannelReport(
        model.name,
        layer,
        about,
        (rows, columns),
        len(examples),
        tuple(crops),
        effects,
        origin_of(model, layer, channel),
        tuple((one, best) for one in near if (best := _best_crop(examples, one.channel)) is not None),
        made,
    )


def _plain_name(model: ImageModel, layer: str) -> str:
    name = layer.rpartition("@")[0]
    return name if model.layers[layer].calls == 1 else layer


def _inputs(
    model: ImageModel, about: Channel, examples: Examples
) -> tuple[Tensor | None, list[tuple[Example, Image.Image]]]:
    """Return the examples as the network takes them, and their crops, without those that are gone."""
    pictures, crops = [], []
    for example in about.examples:
        try:
            picture = open_image(example.file)
            crops.append((example, crop(example, examples.preprocess)))
        except ImageError:
            continue
        pictures.append(picture)
    return (model.prepare(pictures) if pictures else None), crops


def _best_crop(examples: Examples, channel: int) -> Image.Image | None:
    try:
        return crop(examples.channel(channel).examples[0], examples.preprocess)
    except (ImageError, IndexError):
        return None


def _named(model: ImageModel, effects: Tensor | None) -> tuple[tuple[str, float], ...] | None:
    if effects is None:
        return None
    return tuple((model.labels[place], float(effects[place])) for place in strongest(effects))


def _columns(pairs: Sequence[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [name for name, _ in pairs], [value for _, value in pairs]


def _made_of(origin: Origin | None) -> tuple[npt.NDArray[np.float32] | None, str, Bars | None]:
    """Return a kernel to draw and what it is, or the strongest channels that are added up."""
    from interp.views.channel import Bars

    if origin is None:
        return None, "made of", None
    weights, name = origin.weights, origin.layer
    if origin.sees_picture and len(weights) == 3:
        return weights.permute(1, 2, 0).numpy(), f"kernel of {name}", None
    if origin.spatial:
        mean = f" (mean of {len(weights)})" if len(weights) > 1 else ""
        return weights.mean(0).numpy(), f"kernel of {name}{mean}", None
    flat = weights.flatten()
    order = flat.abs().sort(descending=True, stable=True).indices[:_INPUTS]
    order = order[flat[order].sort(descending=True, stable=True).indices]
    names = [f"input {origin.inputs[place]}" for place in order.tolist()]
    return None, f"largest of {len(flat)} weights, {name}", Bars(names, flat[order].tolist())
