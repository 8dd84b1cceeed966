"""*Look*: picture → prediction → map."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

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
    name_of,
    no_layer,
    predicted,
)
from interp.explorer.choosing import asked_method, choose_method, estimate
from interp.explorer.drawing import about_ends, cell_of, choose_drawing, cropped, heat_cell, stage_tile
from interp.explorer.glancing import glance
from interp.explorer.page import Page, Sight
from interp.explorer.pages.look_taking import take
from interp.explorer.parts import Cell, Choice, as_jpeg, choices, viewer
from interp.explorer.sentences import told_on_page
from interp.explorer.words import plain, problem, say
from interp.explorer.working import Meter, job
from interp.methods import INPUT, Method
from interp.views import Drawing

LONGEST, LONGEST_NAME = 900, 10
MODES = {"overlay": "Overlay", "split": "Before and after", "three": "Three panels"}


def draw(sight: Sight) -> None:
    """Draw the page."""
    target, method = asked_class(sight), asked_method()
    _bars(sight, target)
    try:
        found, reason = _found(sight, target, method), ""
    except Exception as error:
        # The choice of another method must stay in sight.
        sentence = problem(error)
        if sentence is None:
            raise
        found, reason = {}, sentence
    _map(sight, found, reason, _question(target, method))


def _question(target: str | None, method: Method) -> tuple[str | None, ...]:
    """Return what asks the network again when it changes: of slow methods also the layer."""
    layer = None if method.quick or method.place == "input" else st.session_state.get("layer")
    return target, method.name, layer


def _found(sight: Sight, target: str | None, method: Method) -> dict[str, Explanation]:
    """Return the maps by layer; of a slow method one, when somebody has begun it."""
    network, picture = sight.network, sight.picture
    if method.quick:
        return explained_stages(network, picture, target, method.name)
    layers = layers_of(network, method)
    layer = layers[0] if method.place == "input" else _layer(sight, layers)
    key = (network.name, network.version, picture.digest, target, method.name, layer)

    def run(meter: Meter) -> Explanation:
        return explained_now(network, picture, (target,), (method.name,), (layer,), meter)[0]

    found = job("look", key, run, button=say("Make the map"), about=estimate(network, method))
    return {} if found is None else {layer: found}


def _layer(sight: Sight, layers: tuple[str, ...]) -> str:
    return str(links.remember("layer", default_layer(sight.network, layers), layers))


def _bars(sight: Sight, target: str | None) -> None:
    classes = predicted(sight.network, sight.picture)
    items = [
        Choice(name_of(sight.network, p), p.name, f"{100 * p.probability:.1f} %", share=p.probability)
        for p in classes
    ]
    asked = target if target is not None else items[0].value
    choices("bars", say("Press a class to see what speaks for it"), items, asked, "bars", "class")


@st.fragment
def _map(sight: Sight, found: dict[str, Explanation], reason: str, asked: tuple[str | None, ...]) -> None:
    """Draw what changes without asking the network again, and what begins a new question."""
    with told_on_page():
        left, right = st.columns([1.25, 1], gap="large")
        with right:
            target, method = choose_class(sight), choose_method()
            if not method.quick and method.place == "layer" and not reason:
                _slider(sight, layers_of(sight.network, method))
                st.caption(say("This method takes long, so it looks at one layer at a time."))
        if _question(target, method) != asked:
            st.rerun()
        if found:
            _drawn(sight, found, method, left, right)
        else:
            _waiting(sight, reason, left)
        links.publish()


def _waiting(sight: Sight, reason: str, left: DeltaGenerator) -> None:
    """Draw the picture while there is no map, with the reason where there can be none."""
    with left:
        if reason:
            st.error(plain(reason), icon=":material/error:")
        small = sight.picture.picture.copy()
        small.thumbnail((LONGEST, LONGEST), reducing_gap=3.0)
        viewer("map", [[Cell(as_jpeg(small), say("The picture that is looked at"), title=say("Picture"))]])


def _drawn(
    sight: Sight,
    found: dict[str, Explanation],
    method: Method,
    left: DeltaGenerator,
    right: DeltaGenerator,
) -> None:
    if method.quick and method.place == "layer":
        _layer(sight, tuple(found))
    with left:
        _modes()
        believed, shown = st.container(), st.container()
    with right:
        stages = st.container()
        drawing = choose_drawing(method)
    explanation = found[INPUT] if method.place == "input" else found[st.session_state["layer"]]
    with stages:
        if method.place == "input":
            st.caption(no_layer())
        elif method.quick:
            _stages(sight, found, drawing)
    with shown:
        _view(explanation, drawing)
        if cropped(explanation):
            st.caption(say("Grey is what the network never saw."))
        if said := about_ends(explanation.scale):
            st.caption(said)
    with right:
        take(sight, explanation, drawing)
    if method.quick:
        with believed:  # last, for nobody should wait for it to see the map
            glance(sight, explanation)


def _modes() -> None:
    links.remember("mode", "overlay", MODES)
    titles = {mode: say(title) for mode, title in MODES.items()}
    st.segmented_control(
        say("View"),
        list(MODES),
        key="mode",
        format_func=titles.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        required=True,
    )


def _view(explanation: Explanation, drawing: Drawing) -> None:
    title, note = explanation.title, explanation.caption
    mode = st.session_state["mode"]
    cell = cell_of(explanation, drawing, title, note)
    if mode != "three":
        viewer("map", [[cell]], mode=mode)
        return
    bare = replace(cell, note="", scale=None, ends=())
    picture = replace(bare, over=None, title=say("Picture"))
    heat = heat_cell(explanation, drawing, say("Map"))
    st.caption(f"**{plain(title)}** · {plain(note)}")
    viewer("map", [[picture, heat, replace(bare, title=say("Overlay"))]])


def _stages(sight: Sight, found: dict[str, Explanation], drawing: Drawing) -> None:
    """Draw the map at every stage, as buttons, over the slider that does the same."""
    st.caption(say("Which stage sees what: from early and fine to late and coarse"))
    items = [
        Choice(layer, _end_of(layer), "×".join(map(str, each.map.shape)), stage_tile(each, drawing))
        for layer, each in found.items()
    ]
    choices("stages", say("Stages of the network"), items, st.session_state["layer"], "strip", "layer")
    if len(found) == 1:
        st.caption(say("{method} works at this layer only.", method=found[items[0].value].method.title))
        return
    _slider(sight, tuple(found))


def _slider(sight: Sight, layers: tuple[str, ...]) -> None:
    if len(layers) == 1:
        return
    _layer(sight, layers)
    titles = {layer: layer_title(sight.network, layer) for layer in layers}
    st.select_slider(
        say("Layer"), list(layers), key="layer", format_func=titles.__getitem__, persist_state="session"
    )


def _end_of(layer: str) -> str:
    """Return the last parts of a long name, by which layers differ."""
    *before, end = layer.split(".")
    while before and len(before[-1]) + 1 + len(end) <= LONGEST_NAME:
        end = f"{before.pop()}.{end}"
    return end


PAGE = Page(
    "look",
    "Look",
    ":material/visibility:",
    "Where the network looks for what it says, and where it would look for something else.",
    draw,
    ("classification",),
)
