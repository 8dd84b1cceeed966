"""Networks that the training recipes build: described by plain values, so that a saved model can say them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_type_hints

from torch import nn

from interp.models.builders import ModelError
from interp.models.networks.body import body, grids, split_index
from interp.models.networks.classifier import ClassifierNetwork
from interp.models.networks.freezing import FreezeTotal, GroupLayer, GroupTable, LayerGroup, group_table
from interp.models.networks.gan import BasicCriticNetwork, BasicGeneratorNetwork, CriticNetwork
from interp.models.networks.groups import layer_groups
from interp.models.networks.unet import UNetNetwork, clear_skips

Network = ClassifierNetwork | UNetNetwork | CriticNetwork | BasicCriticNetwork | BasicGeneratorNetwork

NETWORKS: Mapping[str, type[Network]] = {
    "classifier": ClassifierNetwork,
    "unet": UNetNetwork,
    "critic": CriticNetwork,
    "basic_critic": BasicCriticNetwork,
    "basic_generator": BasicGeneratorNetwork,
}

__all__ = [
    "NETWORKS",
    "BasicCriticNetwork",
    "BasicGeneratorNetwork",
    "ClassifierNetwork",
    "CriticNetwork",
    "FreezeTotal",
    "GroupLayer",
    "GroupTable",
    "LayerGroup",
    "Network",
    "UNetNetwork",
    "body",
    "build_network",
    "clear_skips",
    "described",
    "grids",
    "group_table",
    "layer_groups",
    "network_of",
    "split_index",
]


def build_network(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return an untrained network by its kind and its description's fields.

    Raises:
        ModelError: an unknown kind or field, or a value of another type or out of range.

    Example:
        >>> build_network("classifier", {"backbone": "torchvision:resnet18", "classes": 12})
    """
    return network_of(name, arguments).build()


def network_of(name: str, arguments: Mapping[str, Any]) -> Network:
    """Return the description of a network by its kind and its fields.

    Raises:
        ModelError: an unknown kind or field, or a value of another type or out of range.

    Example:
        >>> network_of("basic_generator", {"size": 64}).input_shape
        (100,)
    """
    if name not in NETWORKS:
        raise ModelError(f"interp has no network {name!r}; known are {', '.join(NETWORKS)}.")
    kind = NETWORKS[name]
    types = get_type_hints(kind)
    for key, value in arguments.items():
        if key not in types or not _fits(value, types[key]):
            raise ModelError(
                f"the network {name!r} has no argument {key}={value!r:.60}; it takes "
                f"{', '.join(f'{field.name} ({types[field.name].__name__})' for field in fields(kind))}."
            )
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ModelError(f"the network {name!r} lacks an argument ({error}).") from error


def _fits(value: Any, kind: type) -> bool:
    # A whole number is a float in Python's eyes, and JSON may write 0.0 as 0; a bool is no number.
    return type(value) is kind or (kind is float and type(value) is int)


def described(network: Network) -> tuple[str, dict[str, Any]]:
    """Return the kind and the fields with which `build_network` makes the network again."""
    name = next(name for name, kind in NETWORKS.items() if type(network) is kind)
    return name, asdict(network)
