"""Classes that are added to the likeliest ones, on the pages *Compare* and *Report*."""

from __future__ import annotations

import streamlit as st

from interp.explorer import links
from interp.explorer.asking import class_titles
from interp.explorer.networks import Network


def ready_classes(network: Network, key: str) -> list[str]:
    """Prepare the choice of added classes, and return what the network's classes are called, by index.

    An index means another class in another network, so another network begins with none.

    Args:
        network: gives the classes.
        key: of the session's state; its value is a list of indices as text.
    """
    state, of = st.session_state, (network.name, network.version)
    if state.get(f"_{key}_of", of) != of:
        state[key] = []
    state[f"_{key}_of"] = of
    titles = list(class_titles(network).values())
    links.remember(key, [], [str(index) for index in range(len(titles))])
    return titles
