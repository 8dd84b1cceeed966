"""A method's function applied to what was recorded at a layer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from interp.capture import Recording
from interp.capture.structure import split_call
from interp.layers import Layer, LayerError, LayerTable
from interp.methods.registry import Method
from interp.methods.spelling import MethodError
from interp.precision import in_full
from interp.targets import LogitTarget, Target, TargetError

_NUMBER = re.compile(r"\d+(?=\.)")  # of a block, not of the first or second norm in it


def parts_of(method: Method, layer: str, table: LayerTable) -> tuple[str, ...]:
    """Return the layers that a map of `method` at `layer` rests on, the finest first.

    These are the layer itself and, for methods that look at several, the ends of the stages before it.

    Raises:
        MethodError: the layer has no positions.
    """
    try:
        table.with_positions(layer)
    except LayerError as error:
        raise MethodError(f"{method.title} needs positions: {error}") from error
    if method.needs == "probe":
        return ()
    if method.stages == 1:
        return (layer,)
    return (*stages_before(layer, table)[-(method.stages - 1) :], layer)


def stages_before(layer: str, table: LayerTable) -> tuple[str, ...]:
    """Return the ends of the stages that come before a layer, first to last.

    The table knows the stage of a module's last call. Before the other calls of a reused one there are none.
    """
    if layer in table.stages:
        return table.stages[: table.stages.index(layer)]
    if split_call(layer)[1] not in (-1, table[layer].calls - 1):
        return ()
    own = table[layer].stage
    return table.stages if own is None else table.stages[:own]


def branches_of(layer: str, table: LayerTable) -> tuple[str, ...]:
    """Return the normalisation of a block with those of the same place in the blocks before it in its stage.

    What such a layer gives goes into one branch only, as into a block's attention, and so does its gradient:
    the branches of a stage add up to what the stage does. Of any other layer, and of a call of a reused one,
    it is the layer alone.
    """
    own: Layer = table[layer]
    alone = "Norm" not in own.type or own.layout is None or own.layout.kind == "first"
    if alone or split_call(layer)[0] != layer:
        return (layer,)
    kind, mine = (own.type, own.stage, own.shape, own.calls), _numbers(own.name)
    alike = [
        row.name
        for row in table[: own.index + 1]
        if (row.type, row.stage, row.shape, row.calls) == kind and _places(row.name) == _places(own.name)
    ]
    # Blocks are counted by the first number that differs; the others tell the parts of a block apart.
    for place in range(len(mine)):
        rest = mine[:place] + mine[place + 1 :]
        blocks = [n for n in alike if _numbers(n)[:place] + _numbers(n)[place + 1 :] == rest]
        if len(blocks) > 1:
            return tuple(blocks)
    return (layer,)


def _places(name: str) -> str:
    return _NUMBER.sub("#", name)


def _numbers(name: str) -> list[str]:
    return _NUMBER.findall(name)


def layers_of(method: Method, parts: Sequence[str], table: LayerTable) -> tuple[str, ...]:
    """Return all layers that must be recorded for a map that rests on `parts`."""
    if not method.branches:
        return tuple(parts)
    return tuple(layer for part in parts for layer in branches_of(part, table))


def applied(
    method: Method,
    parts: Sequence[str],
    recording: Recording,
    gradients: Mapping[str, torch.Tensor],
    asked: Sequence[Target | None],
    output: torch.Tensor,
    private: nn.Module,
    table: LayerTable,
    size: Sequence[int],
) -> torch.Tensor:
    """Return the raw maps `(B, *grid)`, float32, of a method that rests on recorded layers.

    Args:
        method: that does not need a probe.
        parts: the layers it rests on.
        recording: with these layers.
        gradients: of what the method asks, at these layers.
        asked: for each picture its target, or None.
        output: what the network gave, detached.
        private: the twin.
        table: of its layers.
        size: of the inputs, without batch and channels.

    Raises:
        LayerError: a layer has no positions.
        MethodError: the network has not the head that the method needs.
        TargetError: the target does not fit the method.
    """

    def features(found: Mapping[str, torch.Tensor] | Recording, part: str) -> torch.Tensor:
        layers = layers_of(method, [part], table)
        return torch.cat([in_full(table.features(one, found[one].detach(), size)) for one in layers], 1)

    activations = [features(recording, part) for part in parts]
    with torch.no_grad():
        given: list[object] = [activations if method.stages > 1 else activations[0]]
        if method.needs == "gradients":
            slopes = [features(gradients, part) for part in parts]
            given.append(slopes if method.stages > 1 else slopes[0])
        if method.needs == "head":
            given.append(_head_weights(private, activations[0], output, asked, method.title))
        return method.function(*given).float()


def _head_weights(
    private: nn.Module,
    activation: torch.Tensor,
    output: torch.Tensor,
    asked: Sequence[Target | None],
    title: str,
) -> torch.Tensor:
    """Return the linear weights `(B, C)` of each picture's target, if the network has such a head."""
    matrix = _pooled_linear(private, activation, in_full(output))
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
    pooled = activation.flatten(2).mean(2)
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
