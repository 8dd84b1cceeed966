"""Layer groups: what trains at which rate, and what is frozen first."""

from __future__ import annotations

from typing import Any

from torch import nn

from interp.models.networks.body import Features, split_index
from interp.models.networks.classifier import AdaptiveConcatPool2d
from interp.models.networks.unet import clear_skips


def layer_groups(network: nn.Module) -> list[tuple[str, nn.Sequential]]:
    """Return the groups of a network from its input on, each with a name; every weight is in one of them.

    A classifier or U-Net of interp has its body cut before the first child at a sixteenth of the input
    (`layer3` of a ResNet, as the course and fastai cut), then the head or the decoder. Of another network
    the last child with weights is the head; with weights beside its children's, as a transformer's
    positions, it is one group.

    Args:
        network: any module; its modules are grouped, not copied.

    Example:
        >>> [name for name, _ in layer_groups(ClassifierNetwork("torchvision:resnet18", 12).build())]
        ['body, lower', 'body, upper', 'head']
    """
    unet: Any = network
    if hasattr(network, "sfs") and hasattr(network, "layers"):
        encoder = _body(unet.layers[0])
        clear_skips(unet)  # the probe of the encoder left its own
        return [*encoder, ("decoder", nn.Sequential(*unet.layers[1:]))]
    if isinstance(network, nn.Sequential) and len(network) == 2 and _is_head(network[1]):
        return [*_body(network[0]), ("head", nn.Sequential(network[1]))]
    children = list(network.children())
    weighted = [i for i, child in enumerate(children) if next(child.parameters(), None) is not None]
    if len(weighted) < 2 or next(network.parameters(recurse=False), None) is not None:
        return [("network", nn.Sequential(network))]
    return [
        ("body", nn.Sequential(*children[: weighted[-1]])),
        ("head", nn.Sequential(*children[weighted[-1] :])),
    ]


def _is_head(module: nn.Module) -> bool:
    return isinstance(next(module.children(), None), AdaptiveConcatPool2d)


def _body(body: Any) -> list[tuple[str, nn.Sequential]]:
    if len(body) < 2 or isinstance(body[0], Features):
        return [("body", nn.Sequential(body))]
    cut = split_index(body)
    return [("body, lower", body[:cut]), ("body, upper", body[cut:])]
