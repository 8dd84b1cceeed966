"""The U with pictures in it, on the page *Segmentation*."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from interp.dense import RegionTarget
from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.figures import as_png_bytes
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import Question, levels
from interp.explorer.pages.segmentation_taking import take_u
from interp.explorer.pages.segmentation_views import target_title
from interp.explorer.pictures import Chosen
from interp.explorer.words import language, plain, say
from interp.features import strip_of
from interp.methods import Method, get
from interp.views import Drawing, UBox, ULevel, u_figure

SHOWS, OVER = "u_shows", "u_over"
SCALES = {
    "positive": "Each map on its own scale from 0.",
    "signed": "Each map on its own scale; white is 0, blue below and red above.",
    "range": "Each map on its own scale, from its lowest to its highest value.",
}
U_SHOWS = {"activation": "Mean activation", "map": "The chosen map"}


@dataclass(frozen=True)
class Answers:
    """The maps at all levels that answer a question."""

    asked: Question
    method: Method
    found: dict[str, Explanation]


def draw_u(sight: Sight, answers: Answers | None, drawing: Drawing) -> None:
    """Draw the U, its settings and its download.

    Args:
        sight: what is looked at.
        answers: the maps; `None` while there are none.
        drawing: gives their colours.
    """
    st.subheader(say("The U with pictures in it"), anchor=False)
    links.remember(SHOWS, "activation", U_SHOWS)
    links.remember(OVER, False)
    left, right = st.columns([1.6, 1], gap="large")
    titles = {shown: say(title) for shown, title in U_SHOWS.items()}
    with right:
        st.segmented_control(
            say("In the boxes"),
            list(U_SHOWS),
            key=SHOWS,
            format_func=titles.__getitem__,
            persist_state="session",
            required=True,
        )
        st.toggle(say("Over the picture"), key=OVER, persist_state="session")
        st.caption(
            say(
                "Down the left, the encoder makes the grid coarser and knows more of what is there; up the "
                "right, the decoder makes it fine again. The blue arrows are skips: they hand over where "
                "exactly things are."
            )
        )
    about = answers if st.session_state[SHOWS] == "map" else None
    if st.session_state[SHOWS] == "map" and answers is None:
        left.info(say("There is no map yet; the boxes show mean activations."))
    colormap = None if about is None else drawing.colormap
    # The figure's font may have no Chinese letters, so its words stand above it there.
    worded = language() == "en"
    if not worded:
        left.caption(plain(_in_words(sight, about)))
    png = u_picture(
        sight.network,
        sight.picture,
        None if about is None else (about.asked, about.method.name),
        None if about is None else about.found,
        st.session_state[OVER],
        colormap,
        worded,
    )
    alt = say(
        "A drawing of the network as a U: {count} levels with a map in each, bottleneck {layer}.",
        count=len(levels(sight.network).rows) + 1,
        layer=levels(sight.network).bottleneck,
    )
    left.image(png, alt=alt, width="stretch")
    with right:
        take_u(sight, png)


def _in_words(sight: Sight, answers: Answers | None) -> str:
    """Return what the U shows, and what its colours mean."""
    scale = SCALES["range" if answers is None else answers.method.display]
    if answers is None:
        return f"{say('Mean activation')} · {sight.network.model.name}. {say(scale)}"
    first = next(iter(answers.found.values()))
    assert isinstance(first.target, RegionTarget)
    title = target_title(sight.network, first.target)
    return f"{title} · {answers.method.title}. {say(scale)}"


@st.cache_data(
    max_entries=16, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda chosen: chosen.digest}
)
def u_picture(
    network: Network,
    picture: Chosen,
    about: tuple[Question, str] | None,
    _found: dict[str, Explanation] | None,
    over: bool,
    colormap: str | None,
    worded: bool,
) -> bytes:
    """Return the U as PNG: with the maps that answer a question by a method, or with mean activations.

    Without its English words unless it is `worded`. What is asked, `about`, stands for the maps `_found`,
    which Streamlit leaves out when it compares.
    """
    model, found = network.model, levels(network)
    if _found is None:
        strip = strip_of(model, picture.picture, found.layers, average="mean")
        maps = {layer: map.numpy() for layer, map in zip(strip.layers, strip.maps, strict=True)}
        heading = f"Mean activation · {model.name}"
    else:
        maps = {layer: each.values for layer, each in _found.items()}
        first = next(iter(_found.values()))
        heading = f"{first.target.name} · {first.method.title}"

    def box(layer: str | None) -> UBox | None:
        return None if layer is None else UBox(layer, model.layers[layer].shape, maps[layer])

    bottom = box(found.bottleneck)
    assert bottom is not None
    figure = u_figure(
        model.preprocess.view(picture.picture),
        [ULevel(box(row.encoder), box(row.decoder), row.skip) for row in found.rows],
        bottom,
        display="range" if about is None else get(about[1]).display,
        over=over,
        colormap=colormap,
        heading=heading if worded else "",
        words=worded,
    )
    return as_png_bytes(figure)
