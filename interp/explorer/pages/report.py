"""*Report*: a set of pictures → the same report as `interp report`."""

from __future__ import annotations

import html
from functools import partial

import streamlit as st

from interp.explorer import links
from interp.explorer.asking import default_layer, layer_title, layers_of, no_layer
from interp.explorer.choosing import choose_method
from interp.explorer.networks import Network
from interp.explorer.page import Page
from interp.explorer.pages.classes import ready_classes
from interp.explorer.pages.report_made import Asked, Given, Made, made, of_samples, of_uploads
from interp.explorer.pages.report_shown import TOP, show
from interp.explorer.parts import as_jpeg
from interp.explorer.pictures import MEGABYTES, as_typed, sample_pictures, tile
from interp.explorer.settings import Settings
from interp.explorer.words import plain, say
from interp.explorer.working import job
from interp.methods import Method

SOURCES = {"samples": "Sample pictures", "uploads": "Pictures of your own"}
MOST = 200
PREVIEW = 24
LIKELIEST = (0, 5)


def draw(network: Network) -> None:
    """Draw the page."""
    left, right = st.columns(2, gap="medium")
    with left:
        given = _choose_pictures()
    with right:
        asked = _choose_what(network)
    if not given:
        st.info(say("Choose pictures: the samples, or files of your own."))
        return
    if not asked.classes and not asked.top:
        st.info(say("Choose at least one class, or let the likeliest ones be explained."))
        return
    result: Made | None = job(
        "report",
        (network.name, network.version, tuple(each.key for each in given), asked),
        partial(made, network.model, given, asked),
        button=say("Write the report of {count} pictures", count=len(given)),
        about=say("One page for all pictures with their maps, a contact sheet, and the raw maps."),
    )
    if result is not None:
        show(network, result, asked, uploaded=given[0].path is None)


def _choose_pictures() -> list[Given]:
    links.remember("report_of", "samples", SOURCES)
    st.segmented_control(
        say("Pictures"),
        list(SOURCES),
        key="report_of",
        format_func=lambda source: say(SOURCES[source]),
        persist_state="session",
        required=True,
    )
    if st.session_state["report_of"] == "samples":
        folder = Settings.of().pictures
        given = of_samples(sample_pictures(str(folder)))
        st.caption(say("{count} pictures in {folder}", count=len(given), folder=plain(as_typed(folder))))
        _preview(given)
    else:
        files = st.file_uploader(
            say("Pictures of your own"),
            accept_multiple_files=True,
            key="report_uploads",
            max_upload_size=MEGABYTES,
            help=say("They are read here; nothing of them stays but the report."),
        )
        given = of_uploads(files)
    if len(given) > MOST:
        st.warning(
            say("{count} pictures were given; the first {most} are taken.", count=len(given), most=MOST)
        )
    return given[:MOST]


def _preview(given: list[Given]) -> None:
    """Draw the first of the samples, small."""
    shown = [(each.name, tile(str(each.path))) for each in given[:PREVIEW]]
    images = "".join(
        f"<img src='{as_jpeg(small)}' alt='{html.escape(name, quote=True)}' width='64' height='64'>"
        for name, small in shown
        if small is not None
    )
    st.html(f"<div style='display: flex; flex-wrap: wrap; gap: 0.4rem'>{images}</div>")


def _choose_what(network: Network) -> Asked:
    method = choose_method()
    layer = _choose_layer(network, method)
    titles = ready_classes(network, "report_classes")
    st.multiselect(
        say("Classes to explain in every picture"),
        [str(index) for index in range(len(titles))],
        key="report_classes",
        format_func=lambda index: titles[int(index)],
        placeholder=say("any class"),
        select_all=False,
        persist_state="session",
    )
    links.remember("report_top", TOP, limits=LIKELIEST)
    st.slider(
        say("How many of the likeliest classes"),
        *LIKELIEST,
        step=1,
        key="report_top",
        persist_state="session",
    )
    classes = tuple(int(index) for index in st.session_state["report_classes"])
    return Asked(method.name, layer, classes, st.session_state["report_top"])


def _choose_layer(network: Network, method: Method) -> str:
    layers = layers_of(network, method)
    if method.place == "input":
        st.caption(no_layer())
        return layers[0]
    links.remember("layer", default_layer(network, layers), layers)
    st.selectbox(
        say("Layer"),
        layers,
        key="layer",
        format_func=partial(layer_title, network),
        persist_state="session",
    )
    return str(st.session_state["layer"])


PAGE = Page(
    "report",
    "Report",
    ":material/lab_profile:",
    "What does the network look at in a whole set of pictures?",
    draw,
    ("classification",),
    one_picture=False,
)
