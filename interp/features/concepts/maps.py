"""A layer's activations as concepts take them: maps of channels at positions, nothing negative."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from interp.capture import record
from interp.features.blocks import is_channels_last, last_activations
from interp.features.extractor import Extractor
from interp.layers import LayerError, main_output
from interp.models import ImageModel

# Activations such as SiLU go a little below 0, and nothing is lost there.
_LITTLE = 0.05


def grid_of(output: Tensor, layer: str) -> Tensor:
    """Return a layer's output where it is a map `(B, C, H, W)`.

    Raises:
        LayerError: it is none.

    Example:
        >>> grid_of(torch.zeros(1, 8, 4, 4), "layer1").shape
        torch.Size([1, 8, 4, 4])
    """
    if output.dim() != 4:
        raise LayerError(
            f"layer {layer!r} gives {tuple(output.shape[1:])} for a picture, no channels at positions. "
            "Choose a layer with height and width: `interp layers` lists them."
        )
    return output


@torch.no_grad()
def maps_of(extractor: Extractor, inputs: Tensor, layer: str) -> Tensor:
    """Return a layer's activations of some inputs, float32 `(B, C, H, W)` on the CPU, signed as they are.

    Raises:
        LayerError: the layer gives no maps.

    Example:
        >>> maps_of(extractor_of(model, ["bn2"]), model.blank(), "bn2").shape
        torch.Size([1, 1280, 7, 7])
    """
    with torch.inference_mode(False):
        return grid_of(extractor(inputs)[0], layer).float().cpu()


def negative_part(activations: Tensor) -> float:
    """Return the share of the activations' mass that is below 0, `Σ max(-a, 0) / Σ |a|`; of zeros, 0.

    Example:
        >>> negative_part(torch.tensor([3.0, -1.0]))
        0.25
    """
    below, all_ = float(activations.clamp(max=0).abs().sum()), float(activations.abs().sum())
    return below / all_ if all_ else 0.0


def warn_of_negative(model: ImageModel, layer: str, part: float, *, stacklevel: int = 3) -> None:
    """Say that what is below 0 is left out, where that is more than a little, and which layer has none of it.

    Example:
        >>> warn_of_negative(interp.load(), "bn2", 0.0)
    """
    if not part > _LITTLE:  # NaN is refused where concepts are looked for
        return
    better = nearest_positive(model, layer)
    advice = f"take layer={better!r}, the nearest that is not." if better else "take the output of a ReLU."
    warnings.warn(
        f"{part:.0%} of what layer {layer!r} gives is below 0, which concepts leave out; {advice}",
        stacklevel=stacklevel,
    )


def nearest_positive(model: ImageModel, layer: str) -> str | None:
    """Return the activation nearest to a layer, in the order of the table, that is hardly below 0.

    Example:
        >>> nearest_positive(interp.load(), "conv_head")
        'bn2.act'
    """
    noise = torch.randn(model.blank().shape, generator=torch.Generator().manual_seed(0))
    inputs = noise.to(device=model.device, dtype=model.dtype)
    with warnings.catch_warnings():
        # It speaks of activations that stand in for functions, which the next step sorts out.
        warnings.simplefilter("ignore")
        try:
            names = last_activations(model.module, model.blank())
        except LayerError:
            return None
    with model.twin() as private, record(private, names) as recording:
        main_output(private(inputs))
        names = [name for name in names if negative_part(recording[name].float()) <= _LITTLE]
    # The rows of a block's parts stand between its own and its end.
    name = model.layers[layer].name
    place = max(row.index for row in model.layers if f"{row.name}.".startswith(f"{name}."))
    return min(names, key=lambda name: abs(model.layers[name].index - place), default=None)


def as_layer_gives(maps: Tensor, like: Tensor, inputs: Tensor) -> Tensor:
    """Return maps `(B, C, H, W)` as the layer itself puts them, channels last where it does.

    Args:
        maps: to be given in the layer's place.
        like: what the layer gave.
        inputs: the network's input.

    Example:
        >>> maps, given = torch.zeros(2, 768, 7, 7), torch.zeros(1, 7, 7, 768)
        >>> as_layer_gives(maps, given, torch.zeros(1, 3, 224, 224)).shape
        torch.Size([2, 7, 7, 768])
    """
    turned = maps.permute(0, 2, 3, 1) if is_channels_last(like, inputs) else maps
    return turned.to(device=like.device, dtype=like.dtype)
