"""What a channel is made of: the weights of the convolution, or of the linear layer, behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interp.capture import CaptureError
from interp.capture.structure import split_call
from interp.features.blocks import is_channels_last
from interp.features.errors import FeatureError
from interp.models import ImageModel


@dataclass(frozen=True, eq=False)
class Origin:
    """The convolution that makes a channel, or the linear layer on channels that stand last.

    Attributes:
        layer: its name.
        weights: `(C_in, h, w)`, of the channels of its group only.
        inputs: the number of each of those C_in channels.
        sees_picture: whether it is the first, so that its inputs are the picture's colours.
    """

    layer: str
    weights: Tensor
    inputs: tuple[int, ...]
    sees_picture: bool

    @property
    def spatial(self) -> bool:
        """Whether the kernel has more than one position."""
        return self.weights[0].numel() > 1


def origin_of(model: ImageModel, layer: str | int, channel: int) -> Origin | None:
    """Return the last 2-D convolution that runs until `layer` is done and has as many outputs as it.

    That is the convolution behind a batch norm or an activation, or the last one inside a block. A linear
    layer on channels last, as in ConvNeXt, is a convolution of one position. In a block that adds a shortcut
    it makes one part of the sum: the block's own, or the shortcut's where that has a convolution that runs
    later, as the `downsample` of a ResNet.

    Args:
        model: the network.
        layer: a name as `model.layers.resolve` takes it.
        channel: of the layer's output.

    Returns:
        None where there is no such convolution.

    Raises:
        LayerError: no such layer.
        FeatureError: no such channel.

    Example:
        >>> origin_of(interp.load(), "bn1", 0).weights.shape
        torch.Size([3, 3, 3])
    """
    name = model.layers.resolve(layer)
    channels = channels_of(model, name)
    check_channel(channel, channels, name)
    seen = _convolutions_until(model, name)
    fitting = [(place, each) for place, each in enumerate(seen) if len(each[1].weight) == channels]
    if not fitting:
        return None
    place, (found, part) = fitting[-1]
    weights = part.weight.detach()[channel].float().cpu()
    first = 0
    if isinstance(part, nn.Conv2d):
        first = channel // (part.out_channels // part.groups) * len(weights)
    return Origin(
        found,
        weights if weights.dim() == 3 else weights[:, None, None],
        tuple(range(first, first + len(weights))),
        sees_picture=place == 0,
    )


def channels_of(model: ImageModel, layer: str) -> int:
    """Return the number of channels of a layer's output, wherever it puts them.

    Raises:
        FeatureError: the output has no positions.
    """
    shape: tuple[int, ...] | None = model.layers[layer].shape
    if shape is None or len(shape) != 3:
        raise FeatureError(f"layer {layer!r} gives {shape}; give a layer with channels, height and width.")
    output = torch.empty(1, *shape, device="meta")
    return shape[-1] if is_channels_last(output, model.blank()) else shape[0]


def check_channel(channel: int, channels: int, layer: str) -> None:
    """Refuse a channel that the layer does not have.

    Raises:
        FeatureError: it does not.
    """
    if not 0 <= channel < channels:
        raise FeatureError(f"channel {channel} of layer {layer!r}: give one of 0 … {channels - 1}.")


_Part = nn.Conv2d | nn.Linear


def _convolutions_until(model: ImageModel, layer: str) -> list[tuple[str, _Part]]:
    name, call = split_call(layer)
    calls = model.layers[layer].calls
    left = call if call >= 0 else calls + call
    blank = model.blank()
    seen: list[tuple[str, _Part]] = []
    done: list[list[tuple[str, _Part]]] = []

    def add(name: str, part: _Part, output: Tensor) -> None:
        if isinstance(part, nn.Conv2d) or is_channels_last(output, blank):
            seen.append((name, part))

    with model.twin() as private:
        handles = [
            part.register_forward_hook(lambda part, _args, out, name=name: add(name, part, out))
            for name, part in private.named_modules()
            if isinstance(part, (nn.Conv2d, nn.Linear))
        ]

        def note(_part: nn.Module, _args: Any, _output: Any) -> None:
            done.append(list(seen))

        handles.append(private.get_submodule(name).register_forward_hook(note))
        try:
            with torch.inference_mode(False), torch.no_grad():
                private(blank)
        finally:
            for handle in handles:
                handle.remove()
    if len(done) <= left:
        raise CaptureError(f"layer {layer!r} ran {len(done)} times; there is no call {left}.")
    return done[left]
