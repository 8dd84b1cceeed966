"""The convolutional body of a backbone: what comes before the pooling, as a plain `Sequential`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from interp.models.builders import ModelError

# Containers of stages: their children become the body's own, so that every change of grid is between two.
_STAGES = ("blocks", "stages", "layers", "trunk_output")
_HEADS = ("avgpool", "global_pool", "fc", "classifier", "head", "heads", "head_drop")
_PROBE = 64


class Features(nn.Module):
    """A timm network up to its pooling, where its children alone do not say how it runs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the last feature map, `(B, C, h, w)`."""
        features: torch.Tensor = self.network.forward_features(inputs)  # type: ignore[operator]
        return features


def body(network: nn.Module) -> nn.Sequential:
    """Return the part of `network` before its pooling, with the same weights.

    The 1 × 1 widening in which mobile classifiers end is left out: its features serve the classes it was
    trained for. On 500 photographs a linear classifier of animals and things was right in 95 % of cases
    before EfficientNet-Lite0's widening and in 93 % after it. A U-Net's middle would be 16 times as large.

    Its children run one after the other and the grid changes only between or inside them, never around
    them. So a U-Net finds its skips there, and layer groups their borders.

    Args:
        network: of torchvision or timm, trained or not. Its modules are used, not copied.

    Raises:
        ModelError: it is a transformer, or its children do not run one after the other.

    Example:
        >>> [name for name, _ in body(torchvision.models.resnet18()).named_children()][-2:]
        ['layer3', 'layer4']
    """
    found = nn.Sequential(OrderedDict(_children(network)))
    output = _output(found)
    if not hasattr(network, "forward_features"):
        return _checked(_narrow(found), output, network)
    wrapped = Features(network)
    expected = _output(wrapped)
    if _same(output, expected):
        return _checked(_narrow(found), output, network)
    return _checked(nn.Sequential(OrderedDict(network=wrapped)), expected, network)


def _narrow(found: nn.Sequential) -> nn.Sequential:
    convolutions = [[part for part in child.modules() if isinstance(part, nn.Conv2d)] for child in found]
    spatial = [i for i, inside in enumerate(convolutions) if any(max(c.kernel_size) > 1 for c in inside)]
    last = max(spatial, default=-1)
    widening = next((i for i, inside in enumerate(convolutions) if inside and i > last), len(found))
    return found[:widening] if spatial else found


def grids(sequential: nn.Sequential, size: int = _PROBE) -> list[tuple[int, int]]:
    """Return, for each child, its (channels, stride against the input)."""
    shapes = []
    with _evaluating(sequential):
        activation = _blank(sequential, size)
        for child in sequential:
            activation = child(activation)
            shapes.append((int(activation.shape[1]), size // int(activation.shape[-1])))
    return shapes


def split_index(sequential: nn.Sequential) -> int:
    """Return the child that begins the body's upper group: the first at a sixteenth of the input.

    For a ResNet that is `layer3`, where the course and fastai cut. A body that never gets there is cut in
    the middle.
    """
    strides = [stride for _, stride in grids(sequential)]
    return next((i for i, stride in enumerate(strides) if i and stride >= 16), max(1, len(strides) // 2))


def _children(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    features = getattr(network, "features", None)
    for name, child in (features if isinstance(features, nn.Sequential) else network).named_children():
        if name in _HEADS:
            return
        if name in _STAGES and isinstance(child, nn.Sequential):
            yield from ((f"{name}_{inner}", stage) for inner, stage in child.named_children())
        else:
            yield name, child


def _output(module: nn.Module) -> torch.Tensor | None:
    """Return what the module makes of a probe; `None` when it does not run or makes no tensor."""
    try:
        with _evaluating(module):
            output = module(_blank(module, _PROBE))
    except Exception:  # children that do not run one after the other fail in ways of their own
        return None
    return output if isinstance(output, torch.Tensor) else None


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape and torch.allclose(one, other)


def _checked(found: nn.Sequential, output: torch.Tensor | None, network: nn.Module) -> nn.Sequential:
    is_map = output is not None and output.dim() == 4 and output.shape[-1] == output.shape[-2]
    if output is None or not is_map or output.shape[-1] >= _PROBE:
        raise ModelError(
            f"{type(network).__name__} cannot be a backbone: it has no convolutional body that ends in a "
            "feature map. Use efficientnet_lite0, torchvision:resnet34, timm:convnext_tiny or another "
            "convolutional one."
        )
    return found


def _blank(module: nn.Module, size: int) -> torch.Tensor:
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    weight = next(module.parameters())
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, first.in_channels if first else 3, size, size, generator=generator)
    return picture.to(weight.device, weight.dtype)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """No graph, and eval mode that is put back: batch norms must not learn from a probe."""
    modes = [(part, part.training) for part in module.modules()]
    for part, _ in modes:
        part.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
