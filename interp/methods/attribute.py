"""One forward pass, one backward pass for each target: the maps of many methods and layers at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from interp.capture import Recording, record
from interp.layers import main_output
from interp.methods.registry import Method, MethodError, get
from interp.models import ImageModel
from interp.targets import AnyTarget, LogitTarget, Target, TargetError, per_picture, resolve

Key = tuple[int, str, str]


@dataclass(frozen=True, eq=False)
class Attribution:
    """The maps of one batch.

    Attributes:
        output: what the network gave, `(B, ...)`, detached.
        targets: for each picture its targets, in order.
        maps: `(target number, layer, method name)` → raw maps `(B, h, w)`, float32, signed. A picture
            with fewer targets than others has zeros in the maps that it did not ask for.
    """

    output: torch.Tensor
    targets: tuple[tuple[Target, ...], ...]
    maps: dict[Key, torch.Tensor]


def attribute(
    model: ImageModel,
    inputs: torch.Tensor,
    target: AnyTarget | Sequence[AnyTarget] = None,
    methods: Sequence[str | Method] = ("grad-cam",),
    layers: Sequence[str | int] | None = None,
) -> Attribution:
    """Explain a batch of prepared inputs: all targets, layers and methods from one forward pass.

    What comes before the first of the layers builds no graph; each target costs one backward pass from the
    output down to that layer.

    Args:
        model: from `interp.load`.
        inputs: `(B, C, H, W)`, as `model.prepare` makes them.
        target: one query for all pictures, or a list with one for each.
        methods: names of methods.
        layers: names of layers; default: `model.default_layer`.

    Raises:
        TargetError, LabelError, LayerError, MethodError, CaptureError: what was asked does not fit.

    Example:
        >>> found = attribute(model, model.prepare(pictures), methods=["grad-cam", "layer-cam"])
        >>> found.maps[0, "bn2", "layer-cam"].shape
        torch.Size([2, 7, 7])
    """
    chosen = [get(method) for method in methods]
    names = [model.layers.resolve(layer) for layer in layers] if layers else [model.default_layer]
    differentiate = any(method.needs == "gradients" for method in chosen)
    with model.twin() as private, record(private, _once(names), gradients=differentiate) as recording:
        # A clone, because networks may change their input in place, and may save it for a backward pass,
        # which autograd refuses for tensors made in inference mode.
        output = main_output(private(inputs.clone()))
        queries = per_picture(target, len(inputs))
        targets = tuple(
            resolve(q, row, model.labels, model.task) for q, row in zip(queries, output.detach(), strict=True)
        )
        maps: dict[Key, torch.Tensor] = {}
        last = max(map(len, targets)) - 1
        for number in range(last + 1):
            asked = [own[number] if number < len(own) else None for own in targets]
            gradients: dict[str, torch.Tensor] = {}
            if differentiate:
                scores = torch.stack(_scores(asked, output))
                gradients = recording.gradients(scores, retain_graph=number < last)
            for layer in names:
                for method in chosen:
                    found = _map(method, layer, recording, gradients, asked, output, private)
                    maps[number, layer, method.name] = found
    return Attribution(output.detach(), targets, maps)


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _scores(asked: Sequence[Target | None], output: torch.Tensor) -> list[torch.Tensor]:
    """Return one score for each picture; a target only sees its own picture's output."""
    nothing = output.new_zeros(())
    return [nothing if target is None else target(output[i : i + 1])[0] for i, target in enumerate(asked)]


def _map(
    method: Method,
    layer: str,
    recording: Recording,
    gradients: dict[str, torch.Tensor],
    asked: Sequence[Target | None],
    output: torch.Tensor,
    private: nn.Module,
) -> torch.Tensor:
    activation = _full(recording[layer].detach())
    if activation.dim() != 4:
        raise MethodError(
            f"layer {layer!r} gives {tuple(activation.shape)}; {method.title} needs (batch, channels, "
            "height, width). Choose a convolutional layer."
        )
    with torch.no_grad():
        if method.needs == "activations":
            return method.function(activation).float()
        if method.needs == "gradients":
            return method.function(activation, _full(gradients[layer])).float()
        weights = _head_weights(private, activation, output.detach(), asked, method.title)
        return method.function(activation, weights).float()


def _full(tensor: torch.Tensor) -> torch.Tensor:
    # Sums over thousands of positions and channels lose their digits in half precision.
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _head_weights(
    private: nn.Module,
    activation: torch.Tensor,
    output: torch.Tensor,
    asked: Sequence[Target | None],
    title: str,
) -> torch.Tensor:
    """Return the linear weights `(B, C)` of each picture's target, if the network has such a head."""
    matrix = _pooled_linear(private, activation, _full(output))
    if matrix is None:
        raise MethodError(
            f"{title} needs a network that ends in global average pooling of this layer and one linear "
            "layer; this one does not. Grad-CAM is its generalisation."
        )
    weights = []
    for target in asked:
        if target is None:
            weights.append(torch.zeros_like(matrix[0]))
        elif isinstance(target, LogitTarget):
            weights.append(sum(c * matrix[i] for i, c in target.terms) + torch.zeros_like(matrix[0]))
        else:
            raise TargetError(f"{title} takes classes and sums of classes as targets, not callables.")
    return torch.stack(weights)


def _pooled_linear(private: nn.Module, activation: torch.Tensor, output: torch.Tensor) -> torch.Tensor | None:
    pooled = activation.mean((2, 3))
    for part in reversed(list(private.modules())):
        if not isinstance(part, nn.Linear) or output.dim() != 2:
            continue
        if (part.out_features, part.in_features) != (output.shape[1], activation.shape[1]):
            continue
        weight = part.weight.detach().to(pooled.dtype)
        bias = 0 if part.bias is None else part.bias.detach().to(pooled.dtype)
        slack = max(1e-4, 8 * torch.finfo(part.weight.dtype).eps) * float(output.abs().max())
        if torch.allclose(pooled @ weight.T + bias, output, rtol=0, atol=slack):
            return weight
    return None
