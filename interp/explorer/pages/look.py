"""*Look*: picture → prediction → map."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from interp.defaults import METHOD
from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import (
    asked_class,
    asked_method,
    choose_class,
    choose_method,
    default_layer,
    explained_stages,
    layer_title,
    name_of,
    predicted,
    target_of,
    whole,
)
from interp.explorer.drawing import cell_of, choose_drawing, cropped, heat_cell, stage_tile
from interp.explorer.page import Page, Sight
from interp.explorer.parts import Choice, choices, viewer
from interp.explorer.sentences import told_on_page
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import plain, say
from interp.methods import Method
from interp.models import DEFAULT_MODEL
from interp.report import write_report
from interp.views import Drawing

LONGEST_NAME = 10
MODES = {"overlay": "Overlay", "split": "Before and after", "three": "Three panels"}


def draw(sight: Sight) -> None:
    """Draw the page."""
    target, method = asked_class(sight), asked_method()
    _bars(sight, target)
    _map(sight, explained_stages(sight.network, sight.picture, target, method.name), (target, method))


def _bars(sight: Sight, target: str | None) -> None:
    classes = predicted(sight.network, sight.picture)
    items = [
        Choice(name_of(sight.network, p), p.name, f"{100 * p.probability:.1f} %", share=p.probability)
        for p in classes
    ]
    asked = target if target is not None else items[0].value
    choices("bars", say("Press a class to see what speaks for it"), items, asked, "bars", "class")


@st.fragment
def _map(sight: Sight, found: dict[str, Explanation], asked: tuple[str | None, Method]) -> None:
    """Draw what changes without asking the network again, and what begins a new question."""
    with told_on_page():
        left, right = st.columns([1.25, 1], gap="large")
        with right:
            now = (choose_class(sight), choose_method())
        if now != asked:
            st.rerun()
        _drawn(sight, found, now[1], left, right)
        links.publish()


def _drawn(
    sight: Sight,
    found: dict[str, Explanation],
    method: Method,
    left: DeltaGenerator,
    right: DeltaGenerator,
) -> None:
    layers = tuple(found)
    links.remember("layer", default_layer(sight.network, layers), layers)
    with left:
        _modes()
        shown = st.container()
    with right:
        stages = st.container()
        drawing = choose_drawing(method)
    explanation = found[st.session_state["layer"]]
    with stages:
        _stages(sight, found, drawing)
    with shown:
        _view(explanation, drawing)
        if cropped(explanation):
            st.caption(say("Grey is what the network never saw."))
    with right:
        _take(sight, explanation, drawing)


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
    titles = {layer: layer_title(sight.network, layer) for layer in found}
    st.select_slider(
        say("Layer"), list(found), key="layer", format_func=titles.__getitem__, persist_state="session"
    )


def _end_of(layer: str) -> str:
    """Return the last parts of a long name, by which layers differ."""
    *before, end = layer.split(".")
    while before and len(before[-1]) + 1 + len(end) <= LONGEST_NAME:
        end = f"{before.pop()}.{end}"
    return end


def _take(sight: Sight, explanation: Explanation, drawing: Drawing) -> None:
    options = {
        "opacity": None if drawing.opacity == Drawing().opacity else drawing.opacity,
        "colormap": drawing.colormap,
        "threshold": drawing.threshold,
        "interpolation": None if drawing.interpolation == "bilinear" else drawing.interpolation,
    }
    full = partial(whole, explanation, sight.picture)
    stem = Path(sight.picture.name).stem
    target = st.session_state.get("class")
    page = partial(_page, sight, explanation, target)
    values = partial(_saved, full, ".npz", {})
    st.markdown(f"**{say('Take it home')}**")
    take_home(
        "look",
        [
            Download(say("Picture"), f"{stem}.png", "image/png", partial(_saved, full, ".png", options)),
            Download(say("Map"), f"{stem}.npz", "application/octet-stream", values),
            Download("JSON", f"{stem}.json", "application/json", partial(_saved, full, ".json", {})),
            Download(say("Page"), f"{stem}.html", "text/html", page),
        ],
        _python(sight, explanation, options),
        _command(sight, explanation, options),
        say("Your picture stays with you: code and link name it, they do not contain it.")
        if sight.picture.path is None
        else "",
    )


def _asked(sight: Sight, explanation: Explanation) -> dict[str, Any]:
    """Return what differs from the defaults of `explain`."""
    target = st.session_state.get("class")
    return {
        "target": None if target is None else target_of(sight.network, target),
        "method": None if explanation.method.name == METHOD else explanation.method.name,
        "layer": None if explanation.layer == sight.network.model.layers.default else explanation.layer,
    }


def _python(sight: Sight, explanation: Explanation, options: dict[str, Any]) -> str:
    asked = _asked(sight, explanation)
    explain = call("interp.explain", sight.network.name, sight.picture.source, **asked)
    save = call("explanation.save", f"{Path(sight.picture.name).stem}.map.png", **options)
    return f"import interp\n\nexplanation = {explain}\n{save}\n"


def _command(sight: Sight, explanation: Explanation, options: dict[str, Any]) -> str:
    asked = _asked(sight, explanation)
    model = None if sight.network.name == DEFAULT_MODEL else sight.network.name
    drawn = {name: value for name, value in options.items() if name != "interpolation"}
    return command_line(
        "interp",
        "explain",
        sight.picture.source,
        model=model,
        **{"class": asked["target"]},
        method=asked["method"],
        layer=asked["layer"],
        **drawn,
        smoothing=options["interpolation"],
    )


def _saved(full: Callable[[], Explanation], ending: str, options: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        given = {name: value for name, value in options.items() if value is not None}
        return full().save(Path(folder) / f"map{ending}", **given).read_bytes()


def _page(sight: Sight, explanation: Explanation, target: str | None) -> bytes:
    """Return the page that `interp report` writes, for this one picture."""
    likeliest = {name_of(sight.network, each) for each in predicted(sight.network, sight.picture)}
    more = [] if target is None or target in likeliest else [target_of(sight.network, target)]
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        sight.picture.picture.save(pictures / "picture.png", compress_level=1)
        report = write_report(
            sight.network.model,
            pictures,
            Path(folder) / "report",
            classes=more,
            top_classes=5,
            method=explanation.method,
            layer=explanation.layer,
            names={"picture.png": sight.picture.name},
        )
        return (report.folder / "index.html").read_bytes()


PAGE = Page(
    "look",
    "Look",
    ":material/visibility:",
    "Where the network looks for what it says, and where it would look for something else.",
    draw,
    ("classification",),
)
