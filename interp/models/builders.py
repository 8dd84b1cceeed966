"""Untrained networks by name, from torchvision, timm and the offline package."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

OFFLINE = "efficientnet_lite0"


class ModelError(ValueError):
    """A model could not be found, loaded or saved; the message says why and what would work."""


_BUILDING = threading.RLock()


@contextmanager
def chance_kept() -> Iterator[None]:
    """Build networks inside and leave torch's random numbers to the caller as they were.

    For networks whose first weights are replaced by trained ones. Weights that stay as they are drawn belong
    to the caller's seed. Nothing in torchvision or timm draws from Python's or NumPy's generator.
    """
    # Of two at a time the later would bring back a state from amid the other's weights.
    with _BUILDING, torch.random.fork_rng(devices=[]):
        yield


def build_torchvision(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return an untrained network of torchvision."""
    import torchvision.models as zoo

    check_known(name, torchvision_names(), "torchvision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _built(f"torchvision:{name}", lambda: zoo.get_model(name, **_no_weights(name), **arguments))


def torchvision_names() -> list[str]:
    """Return torchvision's networks from pictures to classes of the picture or of its pixels."""
    import torchvision.models as zoo

    names: list[str] = zoo.list_models(module=zoo) + zoo.list_models(module=zoo.segmentation)
    return names


def _no_weights(name: str) -> dict[str, Any]:
    import torchvision.models as zoo

    dense = name in zoo.list_models(module=zoo.segmentation)
    # A segmentation network fetches its backbone's weights unless told not to.
    return {"weights": None} | ({"weights_backbone": None} if dense else {})


def build_timm(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return an untrained network of timm."""
    import timm

    # Prefixes such as hf-hub: or local-dir: would make timm fetch or open what the name says.
    check_known(name.split(".")[0], timm.list_models(), "timm")
    return _built(f"timm:{name}", lambda: timm.create_model(name, pretrained=False, **arguments))


def build_offline(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Return the offline package's network, untrained."""
    check_known(name, [OFFLINE], "offline")
    return build_timm(f"tf_{OFFLINE}", arguments)


def build_named(text: str) -> nn.Module:
    """Return an untrained network by the name that `load` takes: `torchvision:resnet34`.

    Raises:
        ModelError: nothing of that name.
    """
    source, _, name = text.rpartition(":")
    builders = {"": build_offline, "torchvision": build_torchvision, "timm": build_timm}
    if source not in builders:
        raise ModelError(f"backbone {text!r}: give {OFFLINE!r}, 'torchvision:NAME' or 'timm:NAME'.")
    return builders[source](name, {})


def _built(name: str, build: Callable[[], nn.Module]) -> nn.Module:
    try:
        return build()
    except Exception as error:
        reason = str(error).strip().splitlines()[:1]
        raise ModelError(f"{name} cannot be built: {''.join(reason) or type(error).__name__}") from error


def check_known(name: str, names: Iterable[str], source: str) -> None:
    """Raise a `ModelError` with the nearest names unless `name` is one of them."""
    import difflib

    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`interp models` lists them."
        raise ModelError(f"{source} has no model {name!r}; {hint}")
