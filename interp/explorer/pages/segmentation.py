"""*Segmentation*: why is this pixel road? And the U with pictures in it."""

from __future__ import annotations

import html
from dataclasses import replace

import streamlit as st

from interp.dense import RegionTarget
from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import class_titles, no_layer
from interp.explorer.choosing import choose_method, estimate
from interp.explorer.drawing import about_ends, cell_of, choose_drawing, heat_cell
from interp.explorer.page import Page, Sight
from interp.explorer.pages.segmentation_asked import (
    Question,
    answered,
    answered_now,
    context_share,
    levels,
    predicted_there,
    question,
    share,
)
from interp.explorer.pages.segmentation_other import point_elsewhere
from interp.explorer.pages.segmentation_taking import take
from interp.explorer.pages.segmentation_u import Answers, draw_u
from interp.explorer.pages.segmentation_views import (
    classes_cell,
    legend,
    level_tiles,
    roles,
    target_title,
)
from interp.explorer.parts import Picked, choices, viewer
from interp.explorer.words import plain, problem, say
from interp.explorer.working import Meter, job
from interp.methods import INPUT, Method
from interp.places import PlaceError
from interp.progress import part_of
from interp.views import Drawing

PLACE, VIEW = "place", "segmentation_view"
VIEWS = {"both": "Classes and map", "map": "Map", "three": "Three panels"}


def draw(sight: Sight) -> None:
    """Draw the page."""
    if sight.network.model.task == "segmentation":
        _page(sight)
    else:
        point_elsewhere(sight.network)


def _page(sight: Sight) -> None:
    titles = class_titles(sight.network)
    wanted = links.remember("class", None, titles)
    picked = _place(sight)
    st.caption(say("The network finds these classes. Press one to see what speaks for it where it is found."))
    pressed = wanted if picked is None else None
    choices(
        "legend",
        say("Predicted classes"),
        legend(sight, list(titles)),
        pressed,
        "bars",
        "class",
        _forget_place,
    )
    left, right = st.columns([1.6, 1], gap="large")
    with right:
        _choose_class(titles)
        method = choose_method("segmentation")
        drawing = choose_drawing(method)
    with left:
        st.markdown(f"**{say('Click a pixel or drag a box: why this?')}**")
        try:
            asked = question(sight, picked, wanted)
            found = _found(sight, asked, method)
        except Exception as error:
            _tell(error)
            found = None
        if found is None:
            # Without an answer, the picture stays: the same class may have one at another place.
            viewer("segmentation", [[classes_cell(sight)]], pick="box", marked=picked, on_pick=_pick_place)
            if picked is not None:
                _offer_to_forget()
    if found is not None:
        if INPUT not in found:
            links.remember("layer", levels(sight.network).bottleneck, found)
        explanation = found[INPUT] if INPUT in found else found[st.session_state["layer"]]
        with left:
            _view(sight, explanation, drawing, picked)
            _answer(sight, asked, explanation)
            if INPUT in found:
                st.caption(no_layer())
            else:
                _levels(sight, found, drawing)
        with right:
            take(sight, asked, explanation, drawing)
    draw_u(sight, None if found is None or INPUT in found else Answers(asked, method, found), drawing)
    links.publish()


def _place(sight: Sight) -> Picked | None:
    """Return the place that was picked in this picture, or that the link names."""
    before = st.session_state.get("_place_of")
    st.session_state["_place_of"] = sight.picture.digest
    text = links.remember(PLACE, None)
    if before not in (None, sight.picture.digest):
        links.carry(PLACE, None)
        return None
    return Picked.read(text)


def _pick_place(place: Picked) -> None:
    links.carry(PLACE, place.text)


def _pick(place: Picked) -> None:
    _pick_place(place)
    # Who clicks asks about what is there; another class can be chosen afterwards.
    st.session_state["class"] = None


def _forget_place() -> None:
    links.carry(PLACE, None)


def _offer_to_forget() -> None:
    st.button(say("Forget the place"), on_click=_forget_place, icon=":material/close:")


def _choose_class(titles: dict[str, str]) -> None:
    st.selectbox(
        say("Ask about any class"),
        list(titles),
        index=None,
        key="class",
        format_func=titles.__getitem__,
        placeholder=say("what it predicts"),
        persist_state="session",
    )


def _found(sight: Sight, asked: Question, method: Method) -> dict[str, Explanation] | None:
    """Return the maps at all levels: at once, or when somebody has begun them."""
    network, picture = sight.network, sight.picture
    layers = (INPUT,) if method.place == "input" else levels(network).layers
    if method.quick:
        return answered(network, picture, asked, method.name, layers)

    def run(meter: Meter) -> dict[str, Explanation]:
        made: dict[str, Explanation] = {}
        for number, layer in enumerate(layers):
            tell = part_of(meter, number, len(layers))
            made |= answered_now(network, picture, asked, method.name, (layer,), tell)
        return made

    key = (network.name, network.version, picture.digest, asked, method.name)
    about = estimate(network, method, len(layers))
    return job("segmentation", key, run, button=say("Make the maps"), about=about)


def _tell(error: Exception) -> None:
    sentence = problem(error)
    if sentence is None:
        raise error
    (st.info if isinstance(error, PlaceError) else st.error)(plain(sentence))


def _view(sight: Sight, explanation: Explanation, drawing: Drawing, picked: Picked | None) -> None:
    links.remember(VIEW, "both", VIEWS)
    titles = {view: say(title) for view, title in VIEWS.items()}
    st.segmented_control(
        say("View"),
        list(VIEWS),
        key=VIEW,
        format_func=titles.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        required=True,
    )
    target = explanation.target
    assert isinstance(target, RegionTarget)
    explanation = replace(explanation, target=replace(target, name=target_title(sight.network, target)))
    cell = cell_of(explanation, drawing, explanation.title)
    bare = replace(cell, note="", scale=None, ends=(), values=None)
    cells = {
        "both": [classes_cell(sight), cell],
        "map": [replace(cell, note=explanation.layer)],
        "three": [
            replace(bare, over=None, title=say("Picture")),
            heat_cell(explanation, drawing, say("Map")),
            replace(cell, title=say("Overlay")),
        ],
    }[st.session_state[VIEW]]
    viewer("segmentation", [cells], pick="box", marked=picked, on_pick=_pick)
    st.caption(plain(explanation.caption))
    if said := about_ends(explanation.scale):
        st.caption(said)


def _answer(sight: Sight, asked: Question, explanation: Explanation) -> None:
    """Say in words how sure the network is there, and how much of the evidence lies elsewhere."""
    target = explanation.target
    assert isinstance(target, RegionTarget)
    labels = sight.network.model.labels
    words = {
        "name": labels[target.index],
        "share": f"{100 * share(sight.network, sight.picture, target):.1f}",
    }
    if asked.place is None:
        first = say("Where it predicts {name}, the network gives it {share} % on average.", **words)
    elif len(asked.place) == 2:
        first = say("At this pixel the network gives {name} {share} %.", **words)
    else:
        first = say("In this box the network gives {name} {share} % on average.", **words)
    there = predicted_there(sight.network, sight.picture, target)
    if there != target.index:
        first += " " + say("It predicts {name} there.", name=labels[there])
    if explanation.method.targeted:
        outside = context_share(explanation.values, target.region.cpu().numpy())
        if outside is None:
            second = say("The map has no positive evidence.")
        else:
            second = say(
                "{share} % of the positive evidence lies outside the region.", share=_rounded(outside)
            )
    else:
        second = say("This method shows what is active, whatever is asked.")
    st.html(f"<p class='interp-answer'><b>{html.escape(first)}</b><br>{html.escape(second)}</p>")
    if asked.place is not None:
        _offer_to_forget()


def _rounded(part: float) -> str:
    """Return a share in per cent, of which 0 and 100 mean that nothing is left on the one side."""
    return "> 99" if 0.995 <= part < 1 else "< 1" if 0 < part < 0.005 else f"{100 * part:.0f}"


def _levels(sight: Sight, found: dict[str, Explanation], drawing: Drawing) -> None:
    """Draw the map at every level as buttons, over the slider that does the same."""
    st.caption(say("Which level sees what: down the encoder, up the decoder"))
    tiles = level_tiles(sight, found, drawing)
    choices("levels", say("Levels of the network"), tiles, st.session_state["layer"], "strip", "layer")
    if len(found) > 1:
        titles = {layer: plain(f"{role} {size} · {layer}") for layer, (role, size) in roles(sight).items()}
        st.select_slider(
            say("Layer"), list(found), key="layer", format_func=titles.__getitem__, persist_state="session"
        )


PAGE = Page(
    "segmentation",
    "Segmentation",
    ":material/interests:",
    "Why is this pixel road? Which level of the U knows it?",
    draw,
)
