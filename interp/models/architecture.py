"""How to build a network without weights, in words that a saved model may hold.

A builder's name and a few plain arguments are all that a saved model says about its architecture, so
loading one never imports or unpickles anything that the file names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from interp.models.builders import ModelError, build_offline, build_timm, build_torchvision
from interp.models.networks import Network, build_network, described, network_of


@dataclass(frozen=True)
class Architecture:
    """How to build a network without weights: a source, a name in it, plain arguments."""

    source: str
    name: str
    arguments: Mapping[str, int | float | bool | str] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Return the network with untrained weights.

        Raises:
            ModelError: the source, the name or an argument is not one that is known.
        """
        if self.source not in BUILDERS:
            known = ", ".join(sorted(BUILDERS))
            raise ModelError(f"the model's source {self.source!r} is unknown; known are {known}.")
        return BUILDERS[self.source](self.name, dict(self.arguments))

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Of one input, where that is no picture: the noise of a generator."""
        if self.source != "interp":
            return None
        return getattr(network_of(self.name, self.arguments), "input_shape", None)


# The only arguments a saved model may hand to a zoo: none names a file, a module or a download.
ARGUMENTS: Mapping[str, type] = {
    "num_classes": int,
    "in_chans": int,
    "aux_loss": bool,
    "aux_logits": bool,
    "transform_input": bool,
}


def of_network(network: Network) -> Architecture:
    """Return the architecture of one of interp's own networks.

    Example:
        >>> of_network(ClassifierNetwork("torchvision:resnet18", classes=12)).name
        'classifier'
    """
    name, arguments = described(network)
    return Architecture("interp", name, arguments)


def _of_zoo(build: Callable[[str, dict[str, Any]], nn.Module]) -> Callable[[str, dict[str, Any]], nn.Module]:
    def checked(name: str, arguments: dict[str, Any]) -> nn.Module:
        for key, value in arguments.items():
            plain = isinstance(value, int) and key in ARGUMENTS and type(value) is ARGUMENTS[key]
            if not plain or not 0 <= value <= MOST:
                raise ModelError(
                    f"the model's argument {key}={value!r:.60} is not one of {', '.join(ARGUMENTS)}, "
                    f"with numbers of 0 … {MOST}."
                )
        return build(name, arguments)

    return checked


# Classes or channels; a file that asks for more wants memory, not a network.
MOST = 100_000

BUILDERS: Mapping[str, Callable[[str, dict[str, Any]], nn.Module]] = {
    "interp": build_network,
    "offline": _of_zoo(build_offline),
    "timm": _of_zoo(build_timm),
    "torchvision": _of_zoo(build_torchvision),
}
