"""The maps of *Compare*: many methods, layers and classes at once, and which of them do not go together."""

from __future__ import annotations

import threading
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import streamlit as st
from cachetools import LRUCache

import interp
from interp.capture import CaptureError
from interp.explanation import Explanation
from interp.explorer.drawing import shrunk
from interp.explorer.networks import Network
from interp.explorer.pictures import Chosen
from interp.layers import LayerError
from interp.methods import INPUT, MethodError, get
from interp.progress import Progress
from interp.targets import several

Pair = tuple[str, str]
Key = tuple[int, str, str]
Groups = list[tuple[tuple[str, ...], tuple[str, ...]]]
Refused = (MethodError, LayerError, CaptureError)
KNOWN = 2048


@dataclass(frozen=True)
class Asked:
    """What is compared with what; the classes by their indices."""

    methods: tuple[str, ...]
    layers: tuple[str, ...]
    classes: tuple[int, ...]

    @property
    def on_input(self) -> tuple[str, ...]:
        """Those of the methods whose map lies on the input: one map, whatever the layers."""
        return tuple(name for name in self.methods if get(name).place == "input")

    @property
    def at_layers(self) -> tuple[str, ...]:
        """Those of the methods that have a map at every layer."""
        return tuple(name for name in self.methods if name not in self.on_input)

    @property
    def places(self) -> tuple[str, ...]:
        """Everywhere that a map may lie: the layers, and the input after them."""
        layers = self.layers if self.at_layers else ()
        return (*layers, INPUT) if self.on_input else layers

    @property
    def count(self) -> int:
        """How many maps that makes."""
        return (len(self.at_layers) * len(self.layers) + len(self.on_input)) * len(self.classes)


@dataclass(frozen=True)
class Maps:
    """What was found.

    Attributes:
        found: (class number, layer, method) → its explanation, over a picture of the screen's size.
        refused: (method, layer) → the error that says why there is none.
    """

    found: dict[Key, Explanation] = field(default_factory=dict)
    refused: dict[Pair, Exception] = field(default_factory=dict)

    def __or__(self, other: Maps) -> Maps:
        """Return both."""
        return Maps(self.found | other.found, self.refused | other.refused)


@st.cache_resource(
    max_entries=24, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda chosen: chosen.digest}
)
def maps(
    network: Network,
    picture: Chosen,
    classes: tuple[int, ...],
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    longest: int,
) -> Maps:
    """Return the maps of all methods at all layers for all classes, over a picture of `longest` pixels.

    Everybody who asks the same gets the same, so they are not to be changed.
    """
    return sought(network, picture, classes, methods, layers, longest)


def sought(
    network: Network,
    picture: Chosen,
    classes: tuple[int, ...],
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    longest: int,
    progress: Progress | None = None,
) -> Maps:
    """Do what `maps` does, and keep nothing of it.

    What a network refuses is remembered, so that it costs one failed attempt and not one for each picture.
    """
    known = _known()
    own = (network.name, network.version)
    on_input = [name for name in methods if get(name).place == "input"]
    pairs = [(method, layer) for method in methods for layer in ((INPUT,) if method in on_input else layers)]
    refused = {pair: error for pair in pairs if (error := known.get((*own, *pair)))}
    result = Maps(refused=refused)
    for group in groups(methods, layers, refused, on_input):
        result |= _asked(network, picture, classes, *group, longest, progress)
    for pair, error in result.refused.items():
        known.put((*own, *pair), error)
    return result


def groups(
    methods: Sequence[str], layers: Sequence[str], refused: Iterable[Pair], on_input: Container[str] = ()
) -> Groups:
    """Return methods that work at the same layers together, as one call of `explain` takes them.

    The input is the only layer of methods whose map lies there.

    Example:
        >>> groups(["cam", "grad-cam"], ["a", "b"], [("cam", "a")])
        [(('cam',), ('b',)), (('grad-cam',), ('a', 'b'))]
    """
    without = set(refused)
    together: dict[tuple[str, ...], list[str]] = {}
    for method in methods:
        places = (INPUT,) if method in on_input else layers
        fit = tuple(layer for layer in places if (method, layer) not in without)
        if fit:
            together.setdefault(fit, []).append(method)
    return [(tuple(names), fit) for fit, names in together.items()]


def _asked(
    network: Network,
    picture: Chosen,
    classes: tuple[int, ...],
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    longest: int,
    progress: Progress | None,
) -> Maps:
    """Ask for all at once; where that is refused, for halves, down to what is to blame."""
    try:
        explained = interp.explain(
            network.model,
            [picture.picture],
            several(*classes),
            list(methods),
            list(layers),
            progress=progress,
        )
    except Refused as error:
        if len(methods) == len(layers) == 1:
            return Maps(refused={(methods[0], layers[0]): error})
        result = Maps()
        for some, places in _halves(methods, layers):
            result |= _asked(network, picture, classes, some, places, longest, progress)
        return result
    small = shrunk(explained[0], longest)
    keys = [(number, layer, name) for number in range(len(classes)) for layer in layers for name in methods]
    return Maps(
        {
            key: replace(each, picture=small.picture, box=small.box)
            for key, each in zip(keys, explained, strict=True)
        }
    )


def _halves(methods: tuple[str, ...], layers: tuple[str, ...]) -> Groups:
    if len(methods) > 1:
        middle = len(methods) // 2
        return [(methods[:middle], layers), (methods[middle:], layers)]
    middle = len(layers) // 2
    return [(methods, layers[:middle]), (methods, layers[middle:])]


class _Known:
    """What networks refuse, for all sessions."""

    def __init__(self) -> None:
        self._errors: LRUCache[Hashable, Exception] = LRUCache(maxsize=KNOWN)
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Exception | None:
        with self._lock:
            return self._errors.get(key)

    def put(self, key: Hashable, error: Exception) -> None:
        with self._lock:
            self._errors[key] = error.with_traceback(None)


@st.cache_resource(show_spinner=False)
def _known() -> _Known:
    return _Known()
