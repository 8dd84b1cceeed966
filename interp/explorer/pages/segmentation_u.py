"""The U with pictures in it, on the page *Segmentation*: what fills the boxes, what the skips are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.choosing import duration
from interp.explorer.figures import as_png_bytes
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import HASHES, Asking, levels
from interp.explorer.pages.segmentation_maps import tell
from interp.explorer.pages.segmentation_skips import LOST, draw_skips
from interp.explorer.pages.segmentation_truth import Truth, truth_of
from interp.explorer.pages.segmentation_u_taking import Drawn, take_u
from interp.explorer.pictures import Chosen
from interp.explorer.words import language, plain, say
from interp.explorer.working import Meter, job
from interp.features import FeatureError, UNet, unet_of
from interp.methods import Method
from interp.progress import Progress
from interp.targets import where_predicted
from interp.views import Drawing

SHOWS, OVER, ABLATE, MEASURE = "u_shows", "u_over", "u_ablate", "u_truth"
SCALES = {
    "positive": "Each map on its own scale from 0.",
    "signed": "Each map on its own scale; white is 0, blue below and red above.",
    "range": "Each map on its own scale, from its lowest to its highest value.",
}
U_SHOWS = {"activation": "Mean activation", "map": "The chosen map"}
SHARES = 4.0
"""About how many predictions the shares of the skips take."""


@dataclass(frozen=True)
class Wanted:
    """What the U is to show, and be measured by."""

    show: str
    ablate: tuple[str, ...]
    truth: Truth | None


def draw_u(
    sight: Sight,
    asked: Asking | None,
    method: Method,
    found: Mapping[str, Explanation],
    drawing: Drawing,
) -> None:
    """Draw the U, its settings, what its skips are worth, and what people take home of it.

    Args:
        sight: what is looked at.
        asked: the question; `None` where it cannot be asked.
        method: the one that is chosen.
        found: its maps that are there already.
        drawing: gives their colours.
    """
    st.subheader(say("The U with pictures in it"), anchor=False)
    left, right = st.columns([1.6, 1], gap="large")
    with right:
        wanted = _choose(sight, asked, method)
    with left:
        try:
            u = _made(sight, asked, wanted, method, found)
            if u is None:
                # Until somebody begins the work, what takes a moment is shown.
                wanted = Wanted("mean", (), None)
                u = u_of(sight.network, sight.picture, asked, wanted)
        except Exception as error:
            tell(error)
            asked, wanted = None, Wanted("mean", (), None)
            try:
                u = u_of(sight.network, sight.picture, asked, wanted)
            except FeatureError:
                return  # no U at all, as was told
        _show(sight, u, asked, wanted, method, drawing)
    with right:
        draw_skips(u)
        options = {"over": st.session_state[OVER] or None}
        if wanted.show != "mean":
            options["colormap"] = drawing.colormap
        take_u(sight, Drawn(u, asked, wanted.show, wanted.ablate, wanted.truth, options))


def _choose(sight: Sight, asked: Asking | None, method: Method) -> Wanted:
    """Draw the settings."""
    links.remember(SHOWS, "activation", U_SHOWS)
    links.remember(OVER, False)
    links.remember(ABLATE, [], list(LOST))
    truth = truth_of(sight.picture) if sight.network.model.task == "segmentation" else None
    titles = {shown: say(title) for shown, title in U_SHOWS.items()}
    st.segmented_control(
        say("In the boxes"),
        list(U_SHOWS),
        key=SHOWS,
        format_func=titles.__getitem__,
        persist_state="session",
        required=True,
    )
    st.toggle(say("Over the picture"), key=OVER, persist_state="session")
    lost = {name: say(title) for name, title in LOST.items()}
    st.pills(
        say("What is lost when a skip is replaced by"),
        list(LOST),
        key=ABLATE,
        selection_mode="multi",
        format_func=lost.__getitem__,
        persist_state="session",
    )
    if truth is not None:
        links.remember(MEASURE, False)
        st.toggle(say("Measure it by the ground truth"), key=MEASURE, persist_state="session")
    st.caption(
        say(
            "Down the left, the encoder makes the grid coarser and knows more of what is there; up the "
            "right, the decoder makes it fine again. The blue arrows are skips: they hand over where "
            "exactly things are."
        )
    )
    ablate = tuple(name for name in LOST if name in st.session_state[ABLATE])
    show = "mean"
    if st.session_state[SHOWS] == "map" and asked is not None:
        if method.place == "layer":
            show = method.name
        else:
            st.info(say("This method has one map, on the input; the boxes show mean activations."))
    measure = truth is not None and bool(ablate) and st.session_state[MEASURE]
    return Wanted(show, ablate if asked is not None else (), truth if measure else None)


def _made(
    sight: Sight, asked: Asking | None, wanted: Wanted, method: Method, found: Mapping[str, Explanation]
) -> UNet | None:
    """Return the U: at once where it takes a moment, else when somebody has begun it."""
    network, picture = sight.network, sight.picture
    layers = levels(network).layers
    ready = wanted.show != "mean" and all(layer in found for layer in layers)
    work = replace(wanted, show="mean") if ready else wanted
    if work.ablate or work.show != "mean":

        def run(meter: Meter) -> UNet:
            return u_now(network, picture, asked, work, meter)

        replays = len(work.ablate) * len(layers)
        passes = SHARES + replays + (0 if work.show == "mean" else len(layers) * method.passes)
        key = (network.name, network.version, picture.digest, asked, work)
        u = job("unet", key, run, button=say("Look into the skips"), about=duration(network, passes))
    else:
        u = u_of(network, picture, asked, work)
    if u is None or not ready:
        return u
    maps = {layer: found[layer].values for layer in layers}
    about = method.title if u.skips is None else f"{u.skips.target.name} · {method.title}"
    return replace(u, maps=maps, shown=about, display=method.display)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={**HASHES, Wanted: repr})
def u_of(network: Network, picture: Chosen, asked: Asking | None, wanted: Wanted) -> UNet:
    """Return the U of a picture, the shares of its skips for what is asked; not to be changed.

    Raises:
        FeatureError: the network is no U.
        TargetError, PlaceError, MethodError: what is asked does not fit.
    """
    return u_now(network, picture, asked, wanted, None)


def u_now(
    network: Network, picture: Chosen, asked: Asking | None, wanted: Wanted, progress: Progress | None
) -> UNet:
    """Do what `u_of` does, tell how far it is, and keep nothing of it."""
    query = None
    if asked is not None:
        usual = where_predicted() if network.model.task == "segmentation" else None
        query = asked.query if asked.python is not None else usual
    given: dict[str, Any] = {} if wanted.truth is None else {"truth": wanted.truth.numbers}
    return unet_of(
        network.model,
        picture.picture,
        query,
        show=wanted.show,
        ablate=wanted.ablate,
        progress=progress,
        **given,
    )


def _show(
    sight: Sight, u: UNet, asked: Asking | None, wanted: Wanted, method: Method, drawing: Drawing
) -> None:
    colormap = None if wanted.show == "mean" else drawing.colormap
    # The figure's font may have no Chinese letters, so its words stand above it there.
    worded = language() == "en"
    if not worded:
        title = say("Mean activation") if wanted.show == "mean" else method.title
        st.caption(plain(f"{title} · {sight.network.model.name}. {say(SCALES[u.display])}"))
    key = (sight.network.name, sight.network.version, sight.picture.digest, repr(asked), repr(wanted))
    png = _png(key, u, st.session_state[OVER], colormap, worded)
    alt = say(
        "A drawing of the network as a U: {count} levels with a map in each, bottleneck {layer}.",
        count=len(u.levels.rows) + 1,
        layer=u.levels.bottleneck,
    )
    st.image(png, alt=alt, width="stretch")


@st.cache_data(max_entries=32, show_spinner=False)
def _png(key: tuple[str, ...], _u: UNet, over: bool, colormap: str | None, worded: bool) -> bytes:
    return as_png_bytes(_u.figure(over=over, colormap=colormap, words=worded))
