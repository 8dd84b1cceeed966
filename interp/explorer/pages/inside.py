"""*Inside*: what the layers of the network make of the picture."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from interp.explorer import links
from interp.explorer.page import Page, Sight
from interp.explorer.pages import (
    inside_averages,
    inside_channels,
    inside_field,
    inside_filters,
    inside_kernel,
    inside_one,
)
from interp.explorer.pages.inside_maps import layers_of
from interp.explorer.words import plain, say

VIEW = "inside"
VIEWS: dict[str, tuple[str, Callable[[Sight], None]]] = {
    "channels": ("Channels", inside_channels.draw),
    "stages": ("Stages", inside_averages.draw),
    "one": ("One channel", inside_one.draw),
    "field": ("Receptive field", inside_field.draw),
    "filters": ("Filters", inside_filters.draw),
    "kernel": ("A kernel by hand", inside_kernel.draw),
}
NEED_NO_LAYER = ("filters", "kernel")


def draw(sight: Sight) -> None:
    """Draw the view that is chosen."""
    links.remember(VIEW, "channels", VIEWS)
    st.segmented_control(
        say("View"),
        list(VIEWS),
        key=VIEW,
        format_func=lambda view: say(VIEWS[view][0]),
        label_visibility="collapsed",
        persist_state="session",
        required=True,
    )
    view = st.session_state[VIEW]
    if view not in NEED_NO_LAYER and not layers_of(sight.network):
        st.info(
            say(
                "{name} has no layer with a map of positions. Choose a convolutional network.",
                name=plain(sight.network.model.name),
            )
        )
        return
    VIEWS[view][1](sight)


PAGE = Page(
    "inside",
    "Inside",
    ":material/layers:",
    "What the layers of the network make of the picture, channel by channel.",
    draw,
)
