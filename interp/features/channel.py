"""What a channel does to the classes, and which channels fire with it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from interp.capture import replay
from interp.features.blocks import is_channels_last
from interp.features.gram import gram
from interp.features.origin import channels_of, check_channel
from interp.features.stream import extractor_of
from interp.layers import main_output
from interp.models import ImageModel

_AT_ONCE = 16


def class_effects(model: ImageModel, layer: str | int, channel: int, inputs: Tensor) -> Tensor | None:
    """Return `mean_n (s_c(A_n) − s_c(A_n with channel k = 0))`: what each class loses without the channel.

    On global average pooling and a linear layer this is w_ck · mean(A_k). Only what comes after the layer
    runs again.

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
        for part in torch.split(inputs, _AT_ONCE):
            made = replay(private, name, part)
            without = made.activation.clone()
            along = without.dim() - 1 if is_channels_last(without, part) else 1
            without.select(along, channel).zero_()
            change = main_output(made.output).float() - main_output(made(without)).float()
            effects.append(change.flatten(2).mean(2) if change.dim() > 2 else change)
    return torch.cat(effects).mean(0).cpu()


def mean_gram(model: ImageModel, layer: str | int, inputs: Tensor) -> Tensor:
    """Return the mean of a layer's Gram matrices over pictures, `G = mean_n F_n F_nᵀ / HW`, for `neighbours`.

    Args:
        model: the network.
        layer: whose channels are compared.
        inputs: `(N, C, H, W)`, best pictures that drive the channel in question.

    Returns:
        `(C, C)` float64 on the CPU.

    Raises:
        LayerError: no such layer.

    Example:
        >>> neighbours(mean_gram(interp.load(), "blocks.1", model.blank()), 3)
    """
    extractor = extractor_of(model, [layer])
    total = torch.zeros((), dtype=torch.float64)
    with torch.inference_mode(False), torch.no_grad():
        for part in torch.split(inputs, _AT_ONCE):
            total = total + gram(extractor(part)[0], "HW").double().sum(0).cpu()
    return total / len(inputs)


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
