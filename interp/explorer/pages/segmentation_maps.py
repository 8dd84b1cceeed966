"""The maps of the page *Segmentation*: made at the levels of the U, seen as one of three views."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import no_layer
from interp.explorer.choosing import estimate
from interp.explorer.drawing import about_ends, cell_of, heat_cell
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import (
    Asking,
    answered_now,
    answered_where_it_works,
    levels,
)
from interp.explorer.pages.segmentation_views import level_tiles, roles, with_outline
from interp.explorer.parts import Cell, choices
from interp.explorer.words import plain, problem, say
from interp.explorer.working import Meter, job
from interp.methods import INPUT, Method
from interp.places import PlaceError
from interp.views import Drawing

VIEW = "segmentation_view"
VIEWS = {"both": "Classes and map", "map": "Map", "three": "Three panels"}
OF_PICTURES = {**VIEWS, "both": "Output and map"}


def maps_of(sight: Sight, asked: Asking, method: Method) -> dict[str, Explanation] | None:
    """Return the maps by layer: of all levels; of a slow method at one, when somebody has begun it."""
    network, picture = sight.network, sight.picture
    if method.quick:
        return answered_where_it_works(network, picture, asked, method)
    layer = _choose_level(sight) if method.place == "layer" else INPUT

    def run(meter: Meter) -> dict[str, Explanation]:
        return answered_now(network, picture, asked, method.name, (layer,), meter)

    key = (network.name, network.version, picture.digest, asked, method.name, layer)
    return job("segmentation", key, run, button=say("Make the map"), about=estimate(network, method))


def shown_of(sight: Sight, found: dict[str, Explanation]) -> Explanation:
    """Return the map that is looked at: at the chosen level, or on the input."""
    if INPUT in found:
        return found[INPUT]
    usual = levels(sight.network).bottleneck
    return found[str(links.remember("layer", usual if usual in found else next(iter(found)), found))]


def _choose_level(sight: Sight) -> str:
    found = levels(sight.network)
    links.remember("layer", found.bottleneck, found.layers)
    _slider(sight, found.layers)
    st.caption(say("This method takes long, so it looks at one layer at a time."))
    return str(st.session_state["layer"])


def _slider(sight: Sight, layers: tuple[str, ...]) -> None:
    titles = {
        layer: plain(f"{role} {size} · {layer}") for layer, (role, size) in roles(sight.network).items()
    }
    st.select_slider(
        say("Layer"), layers, key="layer", format_func=titles.__getitem__, persist_state="session"
    )


def cells_of(explanation: Explanation, drawing: Drawing, beside: Cell, title: str) -> list[Cell]:
    """Draw the choice of a view, and return its cells.

    Args:
        explanation: its target called as the visitor's language has it.
        drawing: how it looks.
        beside: what the network puts out.
        title: of the map.
    """
    titles = OF_PICTURES if explanation.model.task == "image" else VIEWS
    links.remember(VIEW, "both", VIEWS)
    said = {view: say(words) for view, words in titles.items()}
    st.segmented_control(
        say("View"),
        list(titles),
        key=VIEW,
        format_func=said.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        required=True,
    )
    cell = with_outline(cell_of(explanation, drawing, title), explanation)
    bare = replace(cell, note="", scale=None, ends=(), values=None)
    view = st.session_state[VIEW]
    if view == "both":
        return [with_outline(beside, explanation), cell]
    if view == "map":
        return [replace(cell, note=explanation.layer)]
    return [
        replace(bare, over=None, title=say("Picture")),
        with_outline(heat_cell(explanation, drawing, say("Map")), explanation),
        replace(cell, title=say("Overlay")),
    ]


def tell_about(explanation: Explanation) -> None:
    """Draw the line under a map."""
    st.caption(plain(explanation.caption))
    if said := about_ends(explanation.scale):
        st.caption(said)


def draw_levels(sight: Sight, found: dict[str, Explanation], drawing: Drawing) -> None:
    """Draw the map at every level as buttons, over the slider that does the same."""
    if INPUT in found:
        st.caption(no_layer())
        return
    first = next(iter(found.values()))
    if not first.method.quick:
        return
    st.caption(say("Which level sees what: down the encoder, up the decoder"))
    tiles = level_tiles(sight, found, drawing)
    choices("levels", say("Levels of the network"), tiles, st.session_state["layer"], "maps", "layer")
    if len(found) > 1:
        _slider(sight, tuple(found))


def tell(error: Exception) -> None:
    """Say what does not work, or raise what nobody foresaw."""
    sentence = problem(error)
    if sentence is None:
        raise error
    (st.info if isinstance(error, PlaceError) else st.error)(plain(sentence))
