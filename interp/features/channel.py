"""All about one channel: what drives it, what it is made of, what it does to the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interp.capture import replay
from interp.features.blocks import is_channels_last
from interp.features.origin import channels_of, check_channel
from interp.features.stream import extractor_of
from interp.layers import main_output
from interp.models import ImageModel

_AT_ONCE = 16


@dataclass(frozen=True)
class Neighbour:
    """A channel of the same layer, and the cosine of what both do over all positions."""

    channel: int
    cosine: float


def class_effects(model: ImageModel, layer: str | int, channel: int, inputs: Tensor) -> Tensor | None:
    """Return `mean_n (s_c(A_n) − s_c(A_n with channel k = 0))`: what each class loses without the channel.

    On global average pooling and a linear layer this is w_ck · mean(A_k). Only the network after the layer runs again.

    Args:
        model: of classes of pictures, or of positions, whose logits are averaged.
        layer: whose channel is taken away.
        channel: k.
        inputs: `(N, C, H, W)`, as the network takes them.

    Returns:
        `(classes,)` float32, in units of the logits; None of a network that puts out a picture.

    Raises:
        LayerError: no such layer.
        FeatureError: no such channel.
        CaptureError: the network after the layer cannot be replayed.

    Example:
        >>> model = interp.load()
        >>> class_effects(model, "bn2", 7, model.blank()).shape
        torch.Size([1000])
    """
    name = model.layers.resolve(layer)
    check_channel(channel, channels_of(model, name), name)
    if model.task == "image":
        return None
    effects = []
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        for part in inputs.split(_AT_ONCE):
            made = replay(private, name, part)
            without = made.activation.clone()
            along = without.dim() - 1 if is_channels_last(without, part) else 1
            without.select(along, channel).zero_()
            change = main_output(made.output).float() - main_output(made(without)).float()
            effects.append(change.flatten(2).mean(2) if change.dim() > 2 else change)
    return torch.cat(effects).mean(0).cpu()


def neighbours(
    model: ImageModel, layer: str | int, channel: int, inputs: Tensor, count: int = 6
) -> list[Neighbour]:
    """Return the channels with the largest `G_kj / sqrt(G_kk G_jj)`, G the Gram matrix of a layer over all pictures.

    Args:
        model: the network.
        layer: its channels are compared.
        channel: k; it is left out itself, as are channels that are 0 everywhere.
        inputs: `(N, C, H, W)`: pictures to compare the channels on, best those that drive channel k.
        count: at most so many.

    Returns:
        The nearest first; empty where channel k is 0 everywhere.

    Raises:
        LayerError: no such layer.
        FeatureError: no such channel.

    Example:
        >>> [each.channel for each in neighbours(interp.load(), "blocks.1", 3, pictures)]
    """
    name = model.layers.resolve(layer)
    channels = channels_of(model, name)
    check_channel(channel, channels, name)
    extractor = extractor_of(model, [name])
    row = torch.zeros(channels, dtype=torch.float64)
    norms = torch.zeros(channels, dtype=torch.float64)
    with torch.inference_mode(False), torch.no_grad():
        for part in inputs.split(_AT_ONCE):
            flat = extractor(part)[0].flatten(2).double().cpu()
            row += torch.einsum("np,ncp->c", flat[:, channel], flat)
            norms += flat.square().sum((0, 2))
    cosines = row / (norms * norms[channel]).sqrt()
    alive = cosines.isfinite()
    alive[channel] = False
    order = cosines.nan_to_num(nan=-2.0).sort(descending=True, stable=True).indices.tolist()
    return [Neighbour(each, float(cosines[each])) for each in order if alive[each]][:count]


def strongest(values: Tensor, up: int = 4, down: int = 2) -> Sequence[int]:
    """Return the places of the largest values above 0 and of the smallest below it, from high to low.

    Example:
        >>> strongest(torch.tensor([0.0, 3.0, -1.0, 2.0]), up=1)
        [1, 2]
    """
    order = values.sort(descending=True, stable=True).indices.tolist()
    best = [place for place in order[:up] if values[place] > 0]
    worst = [place for place in order[len(order) - down :] if values[place] < 0 and place not in best]
    return [*best, *worst]
