"""*Inside*, stages: the average over the channels at the end of each stage."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from interp.explorer import links
from interp.explorer.figures import as_png_bytes
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.inside_maps import (
    asked_model,
    choose_drawing,
    map_cell,
    note_on,
    plain_cell,
)
from interp.explorer.pages.inside_taking import npz_of
from interp.explorer.parts import Cell, viewer
from interp.explorer.pictures import Chosen
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.features import Strip, strip_of
from interp.views import Display, Scale

AVERAGE, OVER = "inside_average", "inside_over"
AVERAGES = {"abs": "Strength, mean of |A|", "mean": "Mean, with its sign", "l2": "Root of the sum of squares"}
COLUMNS = 4
# Stages of U-Nets are as fine as the picture: such maps are looked at, not read.
MOST_CELLS = 60_000


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def strip(network: Network, picture: Chosen, average: str) -> Strip:
    """Return the average map of each stage, the same for everybody who asks; not to be changed."""
    return strip_of(network.model, picture.picture, average=average)  # type: ignore[arg-type]


def draw(sight: Sight) -> None:
    """Draw the view."""
    st.subheader(say("Where is each stage busy: from fine and early to coarse and late?"), anchor=False)
    links.remember(AVERAGE, "abs", AVERAGES)
    links.remember(OVER, False)
    first, second = st.columns([2.4, 1], vertical_alignment="bottom")
    first.segmented_control(
        say("Average over the channels"),
        list(AVERAGES),
        key=AVERAGE,
        format_func=lambda kind: say(AVERAGES[kind]),
        persist_state="session",
        required=True,
    )
    second.toggle(say("Over the picture"), key=OVER, persist_state="session")
    found = strip(sight.network, sight.picture, st.session_state[AVERAGE])
    stage = st.container()
    display: Display = "signed" if any(bool((one < 0).any()) for one in found.maps) else "positive"
    colormap = choose_drawing(display, over=st.session_state[OVER])
    with stage:
        viewer("inside-stages", _rows(found, display, colormap))
        st.caption(say("Each map on its own scale. Zoom and pointer move in all of them together."))
    _take(sight, found)


def _rows(found: Strip, display: Display, colormap: str | None) -> list[list[Cell | None]]:
    seen = plain_cell(
        found.view.resize((2 * found.view.width, 2 * found.view.height)),
        say("What the network saw of the picture"),
        say("What the network saw"),
    )
    cells: list[Cell | None] = [seen]
    for layer, shape, values in zip(found.layers, found.shapes, found.maps, strict=True):
        scale = Scale.of(values.numpy(), display)
        cells.append(
            map_cell(
                found.view,
                values.numpy(),
                scale,
                alt=say(
                    "Average of {count} channels of {layer}, from {range}.",
                    count=shape[0],
                    layer=layer,
                    range=scale.text,
                ),
                title=layer,
                note="×".join(map(str, shape)),
                over=st.session_state[OVER],
                colormap=colormap,
                read=values.numel() <= MOST_CELLS,
            )
        )
    cells += [None] * (-len(cells) % COLUMNS)
    return [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]


def _take(sight: Sight, found: Strip) -> None:
    stem, over = Path(sight.picture.name).stem, st.session_state[OVER]
    average = None if found.average == "abs" else found.average
    kind = "" if average is None else f", average={average!r}"
    made = f"strip_of(model, {sight.picture.source!r}{kind})"
    figure = call("strip.figure", over=over or None)
    python = (
        "import interp\nfrom interp.features import strip_of\n\n"
        f'{call("model = interp.load", sight.network.name)}\nstrip = {made}\n{figure}.savefig("stages.png")\n'
    )
    words = ["interp", "features", sight.picture.source, *(["--over"] if over else [])]
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "inside-stages",
        [
            Download(say("Picture (PNG)"), f"{stem}.stages.png", "image/png", partial(_figure, found, over)),
            Download(
                say("Values (NPZ)"), f"{stem}.stages.npz", "application/octet-stream", partial(_values, found)
            ),
        ],
        python,
        command_line(*words, model=asked_model(sight.network), average=average),
        note_on(sight.picture),
    )


def _figure(found: Strip, over: bool) -> bytes:
    return as_png_bytes(found.figure(over=over))


def _values(found: Strip) -> bytes:
    return npz_of({layer: one.numpy() for layer, one in zip(found.layers, found.maps, strict=True)})
