"""What a layer puts out for a picture: its channels in order, and their averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from PIL import Image
from torch import Tensor

from interp.capture import record
from interp.features.blocks import is_channels_last
from interp.features.channel_average import Average, average_map
from interp.features.errors import FeatureError
from interp.images import open_image
from interp.images.opening import Source
from interp.layers import main_output
from interp.models import ImageModel
from interp.targets import TargetLike, resolve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Order = Literal["strength", "class", "index"]


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each channel of a layer adds to a score.

    Attributes:
        target: what was asked of the output, in words.
        values: `(C,)`, float32, in units of the score; negative speaks against it.
    """

    target: str
    values: Tensor


@dataclass(frozen=True, eq=False)
class Activation:
    """What one layer put out for one picture.

    Attributes:
        layer: its full name.
        values: `(C, H, W)`, float32 on the CPU, as the network computed them.
        view: the part of the picture that the network saw, in its input's size; the map covers all of it.
        contributions: of the channels to a class, where one was asked for.
    """

    layer: str
    values: Tensor
    view: Image.Image
    contributions: Contributions | None = None

    @property
    def strengths(self) -> Tensor:
        """`mean_ij |A_kij|` of each channel: `(C,)`, at least 0."""
        return self.values.abs().mean((1, 2))

    def order(self, by: Order = "strength") -> list[int]:
        """Return the numbers of all channels, the first one first.

        Args:
            by: strength (mean absolute activation, largest first), class (contribution, from what speaks
                most for the class to what speaks most against it) or index. Equals stay in order.

        Raises:
            FeatureError: another word, or no class was asked for.

        Example:
            >>> activation_of(interp.load(), "sample_images/cat.jpg", "blocks.0").order()[:3]
            [8, 11, 12]
        """
        if by not in get_args(Order):
            raise FeatureError(f"channels cannot be ordered by {by!r}; give strength, class or index.")
        if by == "index":
            return list(range(len(self.values)))
        if by == "class" and self.contributions is None:
            raise FeatureError(
                "no class was asked for, so channels cannot be ordered by what they add to it. Make the "
                "activation with class_activation_of(model, picture, layer, target)."
            )
        keys = self.contributions.values if by == "class" and self.contributions else self.strengths
        return [int(index) for index in keys.argsort(descending=True, stable=True)]

    def average(self, kind: Average = "abs") -> Tensor:
        """Return `average_map` of this activation: `(H, W)`."""
        return average_map(self.values, kind)

    def figure(
        self, sort: Order = "strength", top: int = 24, *, shared: bool = False, over: bool = False
    ) -> Figure:
        """Draw the picture and the first channels in some order.

        Args:
            sort: as `order`.
            top: at most so many channels.
            shared: all on one scale, instead of each on its own.
            over: over the picture, instead of cell by cell.

        Raises:
            FeatureError: as `order`, or `top` is less than 1.

        Example:
            >>> found = activation_of(interp.load(), "sample_images/cat.jpg", "blocks.2")
            >>> found.figure(top=8).savefig("channels.png")
        """
        from interp.views import channels_figure

        if top < 1:
            raise FeatureError(f"top={top} shows no channel; give 1 or more.")
        chosen = self.order(sort)[:top]
        channels, height, width = self.values.shape
        by_class = sort == "class" and self.contributions is not None
        return channels_figure(
            self.view,
            list(self.values[chosen].numpy()),
            labels=[self._label(channel, by_class) for channel in chosen],
            heading=f"{self.layer}  ·  {channels} channels of {height} × {width}",
            note=self._note(sort, len(chosen)),
            # One display for all channels: a colour must not change its sense from cell to cell.
            display="signed" if bool((self.values < 0).any()) else "positive",
            shared=shared,
            over=over,
        )

    def _label(self, channel: int, by_class: bool) -> str:
        from interp.views import number

        if not by_class or self.contributions is None:
            return f"#{channel}"
        value = float(self.contributions.values[channel])
        return f"#{channel}  adds {'+' if value > 0 else ''}{number(value)}"

    def _note(self, sort: Order, shown: int) -> str:
        which = f"{shown} of {len(self.values)}" if shown < len(self.values) else "all"
        if sort == "class" and self.contributions is not None:
            return f"{which}, by what they add to {self.contributions.target}, most first"
        by = {"strength": "by mean absolute activation, strongest first", "index": "by number"}
        return f"{which}, {by[sort]}"


def activation_of(model: ImageModel, picture: Source, layer: str | int | None = None) -> Activation:
    """Return what a layer puts out for a picture.

    Args:
        model: from `interp.load`.
        picture: anything that `interp.open_image` takes.
        layer: as a person may name it; `model.default_layer` where None.

    Raises:
        ImageError: the picture cannot be opened.
        LayerError: no such layer.
        FeatureError: the layer gives no map of positions.

    Example:
        >>> activation_of(interp.load(), "sample_images/cat.jpg").values.shape
        torch.Size([1280, 7, 7])
    """
    return activations_of(model, [picture], layer)[0]


def activations_of(
    model: ImageModel, pictures: Sequence[Source], layer: str | int | None = None, *, batch_size: int = 16
) -> list[Activation]:
    """Return what a layer puts out for each of some pictures; all of it is held in memory.

    Args:
        model: from `interp.load`.
        pictures: anything that `interp.open_image` takes.
        layer: as a person may name it; `model.default_layer` where None.
        batch_size: pictures in one pass.

    Raises:
        ImageError: a picture cannot be opened.
        LayerError: no such layer.
        FeatureError: the layer gives no map of positions, or `batch_size` is less than 1.

    Example:
        >>> pictures = ["sample_images/cat.jpg", "sample_images/coffee.jpg"]
        >>> [one.order()[0] for one in activations_of(interp.load(), pictures)]
        [112, 933]
    """
    if batch_size < 1:
        raise FeatureError(f"batch_size={batch_size}: give 1 or more.")
    name = _named(model, layer)
    found: list[Activation] = []
    for start in range(0, len(pictures), batch_size):
        opened = [open_image(picture) for picture in pictures[start : start + batch_size]]
        inputs = model.prepare(opened)
        with model.twin() as private, record(private, [name]) as recording:
            private(inputs.clone())
            values = positions_of(laid_out(model, name, recording[name], inputs), inputs, name)
        found += [
            Activation(name, own, model.preprocess.view(one))
            for own, one in zip(plain(values), opened, strict=True)
        ]
    return found


def class_activation_of(
    model: ImageModel, picture: Source, layer: str | int | None = None, target: TargetLike = None
) -> Activation:
    """Return what a layer puts out for a picture, and what each channel adds to a class.

    `c_k = mean_ij(A_kij) · Σ_ij ∂s/∂A_kij`: what the score s gains, to first order, when a channel that was
    0 everywhere gets its mean everywhere. Where global average pooling and a linear layer follow, it is
    exactly `w_k · mean(A_k)`, and all contributions add up to the score without its bias.

    Args:
        model: from `interp.load`.
        picture: anything that `interp.open_image` takes.
        layer: as a person may name it; `model.default_layer` where None.
        target: a class, a contrast, a callable; the predicted class where None, of a segmentation the one
            with the largest region.

    Raises:
        ImageError: the picture cannot be opened.
        LayerError: no such layer.
        LabelError, TargetError: there is no such class, or the target is several.
        FeatureError: the layer gives no map of positions.
        CaptureError: the target does not depend on the layer.

    Example:
        >>> model = interp.load()
        >>> found = class_activation_of(model, "sample_images/cat.jpg", target="tiger cat")
        >>> found.contributions.target, found.order("class")[0]
        ('tiger cat', 112)
    """
    name = _named(model, layer)
    opened = open_image(picture)
    inputs = model.prepare([opened])
    with model.twin() as private, record(private, [name], gradients=True) as recording:
        output = main_output(private(inputs.clone()))
        targets = resolve(target, output.detach()[0], model.labels, model.task)
        if len(targets) != 1:
            raise FeatureError(f"{len(targets)} targets were asked for; give one, or call once for each.")
        values = positions_of(laid_out(model, name, recording[name].detach(), inputs), inputs, name)
        gradient = laid_out(model, name, recording.gradients(targets[0](output))[name], inputs)
    slopes = plain(positions_of(gradient, inputs, name))[0].sum((1, 2))
    own = plain(values)[0]
    contributions = Contributions(targets[0].name, own.mean((1, 2)) * slopes)
    return Activation(name, own, model.preprocess.view(opened), contributions)


def _named(model: ImageModel, layer: str | int | None) -> str:
    return model.default_layer if layer is None else model.layers.resolve(layer)


def laid_out(model: ImageModel, name: str, output: Tensor, inputs: Tensor) -> Tensor:
    """Return a row of tokens as `(B, C, H, W)`, and anything else as it is."""
    layout = model.layers[name].layout
    if layout is None or layout.kind != "tokens":
        return output
    turned: Tensor = layout.features(output, inputs.shape[2:])
    return turned


def positions_of(output: Tensor, inputs: Tensor, name: str) -> Tensor:
    """Return `(B, C, H, W)` of what a layer gave.

    Args:
        output: of the layer.
        inputs: of the network, `(B, C, H, W)`.
        name: of the layer, for the message.

    Raises:
        FeatureError: it gives no map of positions.

    Example:
        >>> positions_of(torch.zeros(1, 7, 7, 768), torch.zeros(1, 3, 224, 224), "block").shape
        torch.Size([1, 768, 7, 7])
    """
    if output.dim() != 4:
        raise FeatureError(
            f"layer {name!r} gives {tuple(output.shape)}, no map of positions; choose a layer of "
            "(batch, channels, height, width)."
        )
    return output.permute(0, 3, 1, 2) if is_channels_last(output, inputs) else output


def plain(values: Tensor) -> Tensor:
    """Return values for people: float32 on the CPU, without a graph."""
    return values.detach().float().cpu().contiguous()
