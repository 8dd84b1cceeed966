"""*Look*: picture → prediction → map."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import (
    METHOD,
    choose_class,
    choose_method,
    default_layer,
    explained,
    layer_title,
    name_of,
    predicted,
    stage_layers,
    whole,
)
from interp.explorer.drawing import Drawing, cell_of, heat_cell
from interp.explorer.page import Page, Sight
from interp.explorer.parts import Cell, Choice, choices, viewer
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.methods import Method
from interp.views import Interpolation, offered_for

OPACITY = 0.6
MODES = {"overlay": "Overlay", "split": "Before and after", "three": "Three panels"}
SMOOTHING: dict[Interpolation, str] = {"bilinear": "Smooth", "bicubic": "Smoother", "nearest": "Cells"}


def draw(sight: Sight) -> None:
    """Draw the page."""
    left, right = st.columns([1.35, 1], gap="medium")
    with right:
        st.subheader(say("What the network sees"), anchor=False)
        _bars(sight)
        target = choose_class(sight)
        method = choose_method()
    layers = stage_layers(sight.network)
    found = explained(sight.network, sight.picture, (target,), (method.name,), layers)
    with left:
        _map(sight, dict(zip(layers, found, strict=True)), method)


def _bars(sight: Sight) -> None:
    classes = predicted(sight.network, sight.picture)
    asked = st.session_state.get("class") or (name_of(sight.network, classes[0]) if classes else None)
    items = [
        Choice(name_of(sight.network, p), p.name, f"{100 * p.probability:.1f} %", share=p.probability) for p in classes
    ]
    choices("bars", say("Classes that the network considers"), items, asked, "bars", "class")
    st.caption(say("Press a class to see what speaks for it."))


@st.fragment
def _map(sight: Sight, found: dict[str, Explanation], method: Method) -> None:
    """Draw what changes without asking the network again."""
    layers = tuple(found)
    links.remember("layer", default_layer(sight.network, layers), layers)
    links.remember("mode", "overlay", MODES)
    st.segmented_control(
        say("View"),
        list(MODES),
        key="mode",
        format_func=lambda mode: say(MODES[mode]),
        label_visibility="collapsed",
        persist_state="session",
        required=True,
    )
    stage = st.container()
    drawing = _drawing(method)
    explanation = found[st.session_state["layer"]]
    with stage:
        _view(explanation, drawing)
        _stages(sight, found, drawing)
    _take(sight, explanation, drawing)
    links.publish()


def _view(explanation: Explanation, drawing: Drawing) -> None:
    title, note = explanation.title, explanation.caption
    opacity = st.session_state["opacity"]
    st.html(f"<style>:root {{ --interp-opacity: {opacity} }}</style>")
    mode = st.session_state["mode"]
    shown = cell_of(explanation, drawing, title, note)
    if mode != "three":
        viewer("map", [[shown]], mode=mode)
        return
    plain = replace(shown, over=None, title=say("Picture"), note="", scale=None, ends=())
    heat = heat_cell(explanation, drawing, say("Map"))
    over: Cell = replace(shown, title=say("Overlay"), note="", scale=None, ends=())
    st.caption(f"**{title}** · {note}")
    viewer("map", [[plain, heat, over]])


def _stages(sight: Sight, found: dict[str, Explanation], drawing: Drawing) -> None:
    """Draw the map at every stage, as buttons, over the slider that does the same."""
    items = [
        Choice(layer, layer, "×".join(map(str, each.map.shape)), _tile(each, drawing)) for layer, each in found.items()
    ]
    st.caption(say("Which stage sees what: from fine and early to coarse and late"))
    choices("stages", say("Stages of the network"), items, st.session_state["layer"], "strip", "layer")
    if len(found) > 1:
        st.select_slider(
            say("Layer"),
            list(found),
            key="layer",
            format_func=partial(layer_title, sight.network),
            persist_state="session",
        )


def _tile(explanation: Explanation, drawing: Drawing) -> Any:
    small = replace_size(explanation, 180)
    return small.overlay(0.6, drawing.colormap, drawing.threshold or None)


def replace_size(explanation: Explanation, longest: int) -> Explanation:
    """Return it over a smaller picture."""
    from interp.explorer.drawing import shrunk

    return shrunk(explanation, longest)


def _drawing(method: Method) -> Drawing:
    """Draw the settings of the picture, which ask nothing of the network."""
    colours = offered_for(method.display)
    links.remember("opacity", OPACITY, limits=(0.0, 1.0))
    links.remember("threshold", 0.0, limits=(0.0, 1.0))
    links.remember("colours", colours[0], colours)
    links.remember("smoothing", "bilinear", SMOOTHING)
    first, second = st.columns(2)
    first.slider(say("Opacity"), 0.0, 1.0, step=0.05, key="opacity", persist_state="session")
    second.slider(
        say("Hide what is weaker than"), 0.0, 1.0, step=0.05, key="threshold", persist_state="session"
    )
    first.selectbox(say("Colours"), colours, key="colours", persist_state="session")
    second.segmented_control(
        say("Drawn"),
        list(SMOOTHING),
        key="smoothing",
        format_func=lambda kind: say(SMOOTHING[kind]),
        persist_state="session",
        required=True,
    )
    state = st.session_state
    colormap = None if state["colours"] == colours[0] else state["colours"]
    return Drawing(colormap, state["threshold"], state["smoothing"])


def _take(sight: Sight, explanation: Explanation, drawing: Drawing) -> None:
    options = {
        "opacity": None if st.session_state["opacity"] == OPACITY else st.session_state["opacity"],
        "colormap": drawing.colormap,
        "threshold": drawing.threshold or None,
        "interpolation": None if drawing.interpolation == "bilinear" else drawing.interpolation,
    }
    full = partial(whole, explanation, sight.picture)
    stem = Path(sight.picture.name).stem
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "look",
        [
            Download(say("Picture (PNG)"), f"{stem}.png", "image/png", partial(_saved, full, ".png", options)),
            Download(say("Map (NPZ)"), f"{stem}.npz", "application/octet-stream", partial(_saved, full, ".npz", {})),
            Download(say("Everything (JSON)"), f"{stem}.json", "application/json", partial(_saved, full, ".json", {})),
            Download(say("Page (HTML)"), f"{stem}.html", "text/html", partial(_page, sight, explanation)),
        ],
        _python(sight, explanation, options),
        _command(sight, explanation, options),
        ""
        if sight.picture.path
        else say("Your picture stays with you: code and link name it, they do not contain it."),
    )


def _asked(sight: Sight, explanation: Explanation) -> dict[str, Any]:
    """Return what differs from the defaults of `explain`."""
    target = st.session_state.get("class")
    return {
        "target": target,
        "method": None if explanation.method.name == METHOD else explanation.method.name,
        "layer": None if explanation.layer == sight.network.model.layers.default else explanation.layer,
    }


def _python(sight: Sight, explanation: Explanation, options: dict[str, Any]) -> str:
    asked = _asked(sight, explanation)
    explain = call("interp.explain", sight.network.name, sight.picture.source, **asked)
    save = call("explanation.save", f"{Path(sight.picture.name).stem}.png", **options)
    return f"import interp\n\nexplanation = {explain}\n{save}\n"


def _command(sight: Sight, explanation: Explanation, options: dict[str, Any]) -> str:
    asked = _asked(sight, explanation)
    model = None if sight.network.name == interp_default() else sight.network.name
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


def interp_default() -> str:
    """Return the name of the model that commands take when none is given."""
    from interp.models import DEFAULT_MODEL

    return DEFAULT_MODEL


def _saved(full: Callable[[], Explanation], ending: str, options: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        given = {name: value for name, value in options.items() if value is not None}
        return full().save(Path(folder) / f"map{ending}", **given).read_bytes()


def _page(sight: Sight, explanation: Explanation) -> bytes:
    from interp.report import write_report

    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        buffer = io.BytesIO()
        sight.picture.picture.save(buffer, "PNG", compress_level=1)
        (pictures / "picture.png").write_bytes(buffer.getvalue())
        asked = [st.session_state["class"]] if st.session_state.get("class") else []
        report = write_report(
            sight.network.model,
            pictures,
            Path(folder) / "report",
            classes=asked,
            top_classes=5,
            method=explanation.method,
            layer=explanation.layer,
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
