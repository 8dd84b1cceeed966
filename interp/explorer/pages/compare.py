"""*Compare*: methods × layers × classes in one grid. What is asked, and what there is to see."""

from __future__ import annotations

from functools import partial

import streamlit as st

from interp.defaults import METHOD
from interp.explorer import links
from interp.explorer.asking import (
    asked_class,
    class_names,
    default_layer,
    layer_title,
    predicted,
    stage_layers,
)
from interp.explorer.choosing import SPELLED, asked_method, cost_of, duration, known_methods, titles_of
from interp.explorer.page import Page, Sight
from interp.explorer.pages.classes import ready_classes
from interp.explorer.pages.compare_grid import grid
from interp.explorer.pages.compare_maps import Asked, Maps, maps, sought
from interp.explorer.words import say
from interp.explorer.working import Meter, job
from interp.methods import get
from interp.progress import part_of

USUAL = [METHOD, "grad-cam", "layer-cam", "eigen-cam"]
LIKELIEST = [0, 1, 2, 3, 5]
MOST = 60
FEW = 12
DRAWN = "_compare_drawn"
LONGEST = {"few": 360, "many": 240}
METHODS, LAYERS, CLASSES, TOP = "compare_methods", "compare_layers", "compare_classes", "compare_likeliest"


def draw(sight: Sight) -> None:
    """Draw the page."""
    asked = _choose(sight)
    if missing := _missing(asked):
        st.info(missing)
        return
    drawn = _drawn(sight, asked)
    if drawn is not None:
        grid(sight, drawn, _found(sight, drawn))


def _choose(sight: Sight) -> Asked:
    """Draw what is compared."""
    left, right = st.columns(2, gap="medium")
    with left:
        chosen = _choose_methods()
        layers = _choose_layers(sight)
    with right:
        classes = _choose_classes(sight)
    asked = Asked(chosen, layers, classes)
    st.caption(
        say(
            "Methods {methods} × layers {layers} × classes {classes}: {count} maps of at most {most}.",
            **_counts(asked),
        )
    )
    return asked


def _counts(asked: Asked) -> dict[str, int]:
    return {
        "methods": len(asked.methods),
        "layers": len(asked.layers),
        "classes": len(asked.classes),
        "count": asked.count,
        "most": MOST,
    }


def _choose_methods() -> tuple[str, ...]:
    known = [method.name for method in known_methods("classification")]
    picked = list(dict.fromkeys(get(name).name for name in links.remember(METHODS, list(USUAL), SPELLED)))
    if st.session_state[METHODS] != picked:
        st.session_state[METHODS] = picked
    # Those with options stand behind the plain ones; that of the other pages is offered too.
    offered = list(dict.fromkeys([*known, asked_method().name, *picked]))
    st.multiselect(
        say("Methods"),
        offered,
        key=METHODS,
        format_func=titles_of(offered).__getitem__,
        wrap=True,
        persist_state="session",
    )
    with st.container(horizontal=True, gap="small"):
        quick = [name for name in known if get(name).quick]
        for label, names in ((say("All quick methods"), quick), (say("The usual ones"), list(USUAL))):
            st.button(label, on_click=_set, args=(METHODS, names))
    chosen = [name for name in offered if name in st.session_state[METHODS]]
    return tuple(sorted(chosen, key=lambda name: get(name).place == "input"))


def _choose_classes(sight: Sight) -> tuple[int, ...]:
    titles = ready_classes(sight.network, CLASSES)
    _take_over(sight)
    links.remember(TOP, 2, LIKELIEST)
    st.multiselect(
        say("Classes to add"),
        [str(index) for index in range(len(titles))],
        key=CLASSES,
        format_func=lambda index: titles[int(index)],
        placeholder=say("any class"),
        select_all=False,
        persist_state="session",
    )
    st.segmented_control(
        say("How many of the likeliest classes"), LIKELIEST, key=TOP, persist_state="session", required=True
    )
    likeliest = [p.index for p in predicted(sight.network, sight.picture)[: st.session_state[TOP]]]
    return tuple(dict.fromkeys([*likeliest, *map(int, st.session_state[CLASSES])]))


def _take_over(sight: Sight) -> None:
    """Add the class that is asked about on the other pages, once for each that is asked about."""
    asked = asked_class(sight)
    if asked == st.session_state.get("_compare_asked"):
        return
    st.session_state["_compare_asked"] = asked
    if asked is None:
        return
    index = str(class_names(sight.network).index(asked))
    if index not in st.session_state[CLASSES]:
        st.session_state[CLASSES] = [*st.session_state[CLASSES], index]


def _choose_layers(sight: Sight) -> tuple[str, ...]:
    layers = stage_layers(sight.network)
    if not layers:
        return ()
    links.remember(LAYERS, [default_layer(sight.network, layers)], layers)
    st.pills(
        say("Layers, from early and fine to late and coarse"),
        layers,
        selection_mode="multi",
        key=LAYERS,
        format_func=partial(layer_title, sight.network),
        wrap=True,
        persist_state="session",
    )
    picked = st.session_state[LAYERS]
    return tuple(layer for layer in layers if layer in picked)


def _set(key: str, value: list[str]) -> None:
    st.session_state[key] = value


def _missing(asked: Asked) -> str | None:
    """Return what must change before there is something to draw, in a sentence."""
    if not asked.methods:
        return say("Choose at least one method.")
    if asked.at_layers and not asked.layers:
        return say("Choose at least one layer.")
    if not asked.classes:
        return say("Choose at least one class, or let the likeliest ones be drawn.")
    return None


def _drawn(sight: Sight, asked: Asked) -> Asked | None:
    """Return what is drawn: where too much is asked what was drawn before, if anything was."""
    of = (sight.network.name, sight.network.version, sight.picture.digest)
    if asked.count <= MOST:
        st.session_state[DRAWN] = (of, asked)
        return asked
    st.warning(
        say(
            "{methods} methods × {layers} layers × {classes} classes make {count} maps. This page draws "
            "{most} at most: choose fewer methods, layers or classes.",
            **_counts(asked),
        )
    )
    before, drawn = st.session_state.get(DRAWN, (None, None))
    if before != of or drawn is None:
        return None
    st.caption(say("Below is what was drawn before."))
    kept: Asked = drawn
    return kept


def is_quick(name: str) -> bool:
    """Whether the maps of a method come while people wait; all others are work that they begin by a press."""
    return get(name).quick


def _passes(slow: tuple[str, ...], asked: Asked) -> float:
    """Return how many passes the slow maps take together."""
    at = {name: 1 if name in asked.on_input else len(asked.layers) for name in slow}
    return len(asked.classes) * sum(get(name).passes * count for name, count in at.items())


def _found(sight: Sight, asked: Asked) -> Maps:
    """Return the maps that come at once, and those that take long when somebody has begun them."""
    quick = tuple(name for name in asked.methods if is_quick(name))
    slow = tuple(name for name in asked.methods if name not in quick)
    longest = LONGEST["few" if asked.count <= FEW else "many"]
    found = maps(sight.network, sight.picture, asked.classes, quick, asked.layers, longest)
    if not slow:
        return found

    def run(meter: Meter) -> Maps:
        made = Maps()
        for number, name in enumerate(slow):
            meter(number, len(slow))
            tell = part_of(meter, number, len(slow))
            made |= sought(sight.network, sight.picture, asked.classes, (name,), asked.layers, longest, tell)
        return made

    key = (sight.network.name, sight.network.version, sight.picture.digest, asked.classes, slow, asked.layers)
    titles = ", ".join(f"{get(name).title} ({cost_of(get(name))})" for name in slow)
    titles += f" · {duration(sight.network, _passes(slow, asked))}"
    more = job("compare", (*key, longest), run, button=say("Make the slow maps too"), about=titles)
    return found if more is None else found | more


PAGE = Page(
    "compare",
    "Compare",
    ":material/grid_view:",
    "Do the methods agree, at which layer, and for which class?",
    draw,
    ("classification",),
)
