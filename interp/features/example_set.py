"""Dataset examples: for each channel of a layer the pictures that excite it most, and its statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from interp.features.errors import FeatureError
from interp.features.ranking import Floats
from interp.features.receptive_field import on_picture
from interp.images import Box, Preprocess, open_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the file that keeps them.
FORMAT = 1


@dataclass(frozen=True)
class Example:
    """One picture that excites a channel.

    Attributes:
        file: the picture.
        place: its number in the list of files.
        value: the channel's maximum over positions.
        position: (row, column) of that maximum in the layer's grid, of equal ones the middle one.
        box: what that position can see, in pixels of the network's input; all of it where nobody knows.
        core: the part of it with most of the weight.
    """

    file: Path
    place: int
    value: float
    position: tuple[int, int]
    box: Box
    core: Box


@dataclass(frozen=True, eq=False)
class Channel:
    """What is known of one channel.

    Attributes:
        index: of the channel.
        examples: the strongest first.
        mean: of all its activations.
        std: of all its activations.
        active: share of its activations above 0.
        maxima: its maximum in each picture, or in evenly drawn ones of very many.
    """

    index: int
    examples: tuple[Example, ...]
    mean: float
    std: float
    active: float
    maxima: Floats = field(repr=False)


@dataclass(frozen=True, eq=False)
class Examples:
    """The strongest pictures for every channel of a layer, and the channels' statistics.

    Attributes:
        about: what it was made of: model, weights, layer, preprocessing, pictures, k.
        channels: one for each channel.
        failed: file → reason, for pictures that could not be opened.
    """

    about: dict[str, Any] = field(repr=False)
    channels: tuple[Channel, ...] = field(repr=False)
    failed: dict[str, str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.channels)

    @property
    def layer(self) -> str:
        """As resolved, with `@call`."""
        return str(self.about["layer"])

    @property
    def preprocess(self) -> Preprocess:
        """Of the model."""
        return Preprocess.from_json(self.about["preprocess"])

    def channel(self, index: int) -> Channel:
        """Return what is known of a channel.

        Raises:
            FeatureError: there is no such channel.
        """
        if not 0 <= index < len(self.channels):
            raise FeatureError(f"channel {index}: {self.layer!r} has the channels 0 … {len(self) - 1}.")
        return self.channels[index]

    def strongest(self, count: int = 6) -> list[int]:
        """Return the channels whose best picture stands out most: furthest above the mean, in its std."""
        heights = np.array([_height(channel) for channel in self.channels])
        return [int(index) for index in np.argsort(-heights, kind="stable")[:count]]

    def crops(self, index: int, *, core: bool = True) -> list[Image.Image]:
        """Return the part of each example's original picture that the strongest position sees.

        Args:
            index: of the channel.
            core: the part with 90 % of the weight, as deep layers see everything a little; else all of it.

        Raises:
            FeatureError: there is no such channel.
            ImageError: a picture is gone.
        """
        return [crop(example, self.preprocess, core=core) for example in self.channel(index).examples]

    def figure(self, channels: Sequence[int] | None = None, *, core: bool = True) -> Figure:
        """Return the crops of some channels, a row each; without channels those that stand out most.

        Example:
            >>> found = top_examples(interp.load(), "blocks.2", "sample_images", k=3)
            >>> found.figure([0, 1]).savefig("examples.png")
        """
        from interp.views.examples import examples_figure

        chosen = [self.channel(index) for index in (self.strongest() if channels is None else channels)]
        name = self.layer.removesuffix("@0")
        return examples_figure(
            [[np.asarray(picture) for picture in self.crops(channel.index, core=core)] for channel in chosen],
            [[example.value for example in channel.examples] for channel in chosen],
            [f"channel {channel.index}" for channel in chosen],
            heading=f"What excites {name} of {self.about['model']}",
            note=f"the strongest of {self.about['pictures']} pictures, cut to what the position sees"
            + (" (90 % of the weight)" if core else ""),
        )


def crop(example: Example, preprocess: Preprocess, *, core: bool = True) -> Image.Image:
    """Return the part of an example's original picture that its position sees, cut off at the border."""
    picture = open_image(example.file)
    box = on_picture(example.core if core else example.box, preprocess, picture.size)
    left, top = max(math.floor(box.left), 0), max(math.floor(box.top), 0)
    right, bottom = min(math.ceil(box.right), picture.width), min(math.ceil(box.bottom), picture.height)
    # A field in the black border beside a picture has nothing of it; its nearest pixel stands in.
    left, top = min(left, picture.width - 1), min(top, picture.height - 1)
    return picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def _height(channel: Channel) -> float:
    if not channel.examples or not channel.std > 0:
        return -math.inf
    return (channel.examples[0].value - channel.mean) / channel.std
