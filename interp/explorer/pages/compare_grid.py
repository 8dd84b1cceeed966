"""The grid of *Compare*: what stands across and down, on which scale, and how it is taken home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import streamlit as st
from PIL import Image

from interp.explanation import Explanation, drawn_share
from interp.explorer import links
from interp.explorer.asking import class_titles, layer_title, whole
from interp.explorer.drawing import SMOOTHING, cell_of, corners, cropped, ends_of, scale_of, use_opacity
from interp.explorer.page import Sight
from interp.explorer.pages.compare_maps import Asked, Key, Maps
from interp.explorer.pages.compare_taking import take, third_of
from interp.explorer.parts import Cell, as_jpeg, as_png, viewer
from interp.explorer.sentences import told_on_page
from interp.explorer.words import say, told
from interp.methods import INPUT, get
from interp.views import Display, Drawing, Scale, offered_for, overlay, shared_limits

AXES = {"method": "Methods", "layer": "Layers", "class": "Classes"}
SCALES = {"own": "Each map its own", "row": "One for each row"}
OWN = "own"
EMPTY = 226
ABREAST = 6  # more would scroll sideways
WIDER = 1.4  # than its pixels a cell may become where there is room: a little soft, but larger

Names = dict[str, dict[int | str, str]]
Place = dict[str, int | str]


@st.fragment
def grid(sight: Sight, asked: Asked, found: Maps) -> None:
    """Draw what changes without asking the network again."""
    with told_on_page():
        _grid(sight, asked, found)


def _grid(sight: Sight, asked: Asked, found: Maps) -> None:
    across, down, shared = _choose_places()
    stage = st.container()
    drawing = _choose_drawing(asked)
    names = _names(sight, asked, found, across)
    titles, rows = [], []
    for title, row in _rows(names, asked, across, down):
        lines = _lines(_cells(row, found, drawing, shared=shared))
        titles.extend([title, *[""] * (len(lines) - 1)])
        rows.extend(lines)
    sizes = [each.picture.size for each in found.found.values()] or [(1, 1)]
    with stage:
        viewer("compare", rows, row_titles=titles, widest=round(WIDER * max(width for width, _ in sizes)))
        if any(cropped(whole(each, sight.picture)) for each in list(found.found.values())[:1]):
            st.caption(say("Grey is what the network never saw."))
        if any(each.scale.beyond for each in found.found.values()):
            st.caption(say("Where ≤ or ≥ stands at a scale, the strongest 1 % of the pixels lie beyond it."))
    take(sight, asked, found, drawing, (across, down), shared=shared)
    links.publish()


def _choose_places() -> tuple[str, str, bool]:
    """Draw what stands across and down; return it and whether a row shares a scale."""
    first, second, third = st.columns([1, 0.7, 1.2])
    links.remember("compare_across", "method", AXES)
    with first:
        _segments(say("Columns"), "compare_across", AXES)
    across = str(st.session_state["compare_across"])
    rest = {axis: title for axis, title in AXES.items() if axis != across}
    links.remember("compare_down", "method" if across == "class" else "class", rest)
    with second:
        _segments(say("Rows"), "compare_down", rest)
    links.remember("compare_scale", "own", SCALES)
    with third:
        _segments(say("Scale of the colours"), "compare_scale", SCALES)
    shared = st.session_state["compare_scale"] == "row"
    if shared:
        st.caption(_about_scale(across))
    return across, str(st.session_state["compare_down"]), shared


def _segments(label: str, key: str, options: dict[str, str]) -> None:
    st.segmented_control(
        label,
        list(options),
        key=key,
        format_func=lambda option: say(options[option]),
        persist_state="session",
        required=True,
    )


def _choose_drawing(asked: Asked) -> Drawing:
    """Draw the settings of all pictures."""
    colours = _colours({get(name).display for name in asked.methods})
    links.remember("opacity", Drawing().opacity, limits=(0.0, 1.0))
    links.remember("colours", colours[0], colours)
    links.remember("smoothing", "bilinear", SMOOTHING)
    first, second, third = st.columns(3)
    first.slider(say("Opacity"), 0.0, 1.0, step=0.05, key="opacity", persist_state="session")
    second.selectbox(
        say("Colours"),
        colours,
        key="colours",
        format_func=lambda name: say("those of each method") if name == OWN else name,
        persist_state="session",
    )
    third.selectbox(
        say("Between the cells"),
        list(SMOOTHING),
        key="smoothing",
        format_func=lambda kind: say(SMOOTHING[kind]),
        persist_state="session",
    )
    state = st.session_state
    use_opacity(state["opacity"])
    colormap = None if state["colours"] == colours[0] else state["colours"]
    return Drawing(state["opacity"], colormap, None, state["smoothing"])


def _colours(displays: set[Display]) -> tuple[str, ...]:
    """Return the tables that suit all, what is meant by default first; signed maps suit no other kind."""
    if len(displays) == 1:
        return offered_for(next(iter(displays)))
    if "signed" in displays:
        return (OWN,)
    return (OWN, *offered_for("positive"))


def _about_scale(across: str) -> str:
    if across == "class":
        return say("In a row the same colour is the same value, so the classes can be compared.")
    return say(
        "In a row all maps that are drawn in the same way share one scale. Methods and layers have units "
        "of their own: compare where they look rather than how strongly."
    )


def _names(sight: Sight, asked: Asked, found: Maps, across: str) -> Names:
    """Return what stands on each axis, and how it is called.

    Where methods stand across, maps on the input are repeated beside those of each layer; else the input is
    a place beside the layers.
    """
    beside = across == "method" and bool(asked.at_layers)
    places = asked.layers if beside else asked.places
    on_input = set(asked.on_input) if beside else set()
    said = {number: each.title for (number, _, _), each in found.found.items()}
    titles = list(class_titles(sight.network).values())
    return {
        "method": {
            name: f"{get(name).title} · {say('input')}" if name in on_input else get(name).title
            for name in asked.methods
        },
        "layer": {name: layer_title(sight.network, name) for name in places},
        "class": {number: said.get(number, titles[index]) for number, index in enumerate(asked.classes)},
    }


def _rows(names: Names, asked: Asked, across: str, down: str) -> Iterator[tuple[str, dict[Key, str]]]:
    """Yield each row: its title, and its keys with what stands over them.

    The third axis repeats the grid for each of its values. Places where no map can lie are left out.
    """
    third = third_of(across, down)
    for repeat, repeated in names[third].items():
        for one, title in names[down].items():
            row: dict[Key, str] = {}
            for each, over in names[across].items():
                key = _key({third: repeat, down: one, across: each}, asked, beside=across == "method")
                if key is not None:
                    row[key] = over
            if row:
                yield f"{repeated} · {title}", row


def _key(place: Place, asked: Asked, *, beside: bool) -> Key | None:
    """Return the map of a place, or None where none can lie; `beside` layers lie those of the input."""
    number, layer, method = int(place["class"]), str(place["layer"]), str(place["method"])
    on_input = method in asked.on_input
    if on_input and (beside or layer == INPUT):
        return number, INPUT, method
    return None if on_input or layer == INPUT else (number, layer, method)


def _lines(cells: list[Cell]) -> list[list[Cell]]:
    """Return a row in as few lines as hold it, of about one length, so that nobody scrolls sideways."""
    lines = -(-len(cells) // ABREAST)
    length = -(-len(cells) // lines)
    return [cells[start : start + length] for start in range(0, len(cells), length)]


def _cells(row: dict[Key, str], found: Maps, drawing: Drawing, *, shared: bool) -> list[Cell]:
    there = [found.found[key] for key in row if key in found.found]
    limits = _limits(there) if shared else {}
    return [_cell(key, found, drawing, limits, title) for key, title in row.items()]


def _limits(row: Sequence[Explanation]) -> dict[Display, tuple[float, float] | None]:
    """Return what the maps of a row share, for each way of drawing."""
    alike: dict[Display, list[Explanation]] = {}
    for each in row:
        alike.setdefault(each.method.display, []).append(each)
    return {
        display: shared_limits([e.values for e in some], display, [drawn_share(e.method) for e in some])
        for display, some in alike.items()
    }


def _cell(
    key: Key,
    found: Maps,
    drawing: Drawing,
    limits: dict[Display, tuple[float, float] | None],
    title: str,
) -> Cell:
    explanation = found.found.get(key)
    if explanation is None:
        return _empty(key, found, title)
    cell = cell_of(explanation, drawing, title)
    common = limits.get(explanation.method.display)
    if common is None:
        return cell
    scale = Scale.of(explanation.values, explanation.method.display, common)
    heat = _over(explanation, drawing, scale)
    return replace(cell, over=heat, scale=scale_of(scale, drawing), ends=ends_of(scale))


def _over(explanation: Explanation, drawing: Drawing, scale: Scale) -> str:
    return as_jpeg(
        overlay(
            explanation.picture,
            explanation.values,
            box=corners(explanation),
            scale=scale,
            opacity=1.0,
            colormap=drawing.colormap,
            interpolation=drawing.interpolation,
        )
    )


def _empty(key: Key, found: Maps, title: str) -> Cell:
    """Return a cell without a map, with the reason."""
    _, layer, method = key
    error = found.refused.get((method, layer))
    reason = say("Not made yet: press the button above.") if error is None else told(error)
    some = next(iter(found.found.values()), None)
    size = (240, 180) if some is None else some.picture.size
    return Cell(
        as_png(Image.new("L", size, EMPTY)), reason, title=title, ends=("\N{NO-BREAK SPACE}",), words=reason
    )
