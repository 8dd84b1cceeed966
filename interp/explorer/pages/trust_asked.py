"""What is on trial on *Trust*: the map of *Look*, asked for in the same way."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import streamlit as st

from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import (
    asked_class,
    choose_class,
    default_layer,
    explained_now,
    explained_stages,
    layer_title,
    layers_of,
    no_layer,
    whole,
)
from interp.explorer.choosing import choose_method, estimate
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.words import say
from interp.explorer.working import Meter, job
from interp.methods import INPUT, Method


@dataclass(frozen=True)
class Case:
    """One map on trial.

    Attributes:
        sight: the picture and the network.
        target: the class, or None for what is predicted.
        shown: the map over a picture of the screen's size.
    """

    sight: Sight
    target: str | None
    shown: Explanation

    @property
    def explanation(self) -> Explanation:
        """The map over the picture as it is, which is what metrics must see."""
        return whole(self.shown, self.sight.picture)

    @property
    def question(self) -> tuple[Hashable, ...]:
        """What does not depend on the map: network, picture and class."""
        return (*_seen(self.sight), self.shown.target.name)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Everything that what is measured depends on."""
        return (*self.question, self.shown.method.name, self.shown.layer)

    @property
    def network(self) -> Network:
        """The network."""
        return self.sight.network

    @property
    def method(self) -> Method:
        """The method that made the map."""
        return self.shown.method

    def with_map(self, other: Explanation) -> Explanation:
        """Return another map of the same class over the picture as it is."""
        return replace(self.explanation, map=other.map, method=other.method, layer=other.layer)


def choose(sight: Sight) -> Method:
    """Draw the choice of the class and of the method, and return the method."""
    choose_class(sight)
    return choose_method()


def found(sight: Sight, method: Method) -> Case | None:
    """Return the map that is asked for, with the choice of its layer; None while nobody has begun it.

    Raises:
        MethodError, LayerError: there can be none.
    """
    target = asked_class(sight)
    if method.quick:
        maps = explained_stages(sight.network, sight.picture, target, method.name)
        layer = _choose_layer(sight, tuple(maps))
        return Case(sight, target, maps[layer])
    layer = _choose_layer(sight, layers_of(sight.network, method))

    def run(meter: Meter) -> Explanation:
        return explained_now(sight.network, sight.picture, (target,), (method.name,), (layer,), meter)[0]

    # The same name and key as on Look: whoever comes from there has the map already.
    key = (*_seen(sight), target, method.name, layer)
    made = job("look", key, run, button=say("Make the map"), about=estimate(sight.network, method))
    return None if made is None else Case(sight, target, made)


def _choose_layer(sight: Sight, layers: tuple[str, ...]) -> str:
    if layers == (INPUT,):
        st.caption(no_layer())
        return INPUT
    chosen = str(links.remember("layer", default_layer(sight.network, layers), layers))
    if len(layers) > 1:
        titles = {layer: layer_title(sight.network, layer) for layer in layers}
        st.select_slider(
            say("Layer"), list(layers), key="layer", format_func=titles.__getitem__, persist_state="session"
        )
    return chosen


def _seen(sight: Sight) -> tuple[Hashable, ...]:
    return sight.network.name, sight.network.version, sight.picture.digest
