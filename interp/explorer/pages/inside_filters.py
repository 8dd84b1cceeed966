"""*Inside*, filters: the kernels of the first convolution, and what each of them answers to the picture."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from interp.explorer import links
from interp.explorer.figures import as_png_bytes
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.inside_maps import (
    TILE,
    activation,
    asked_model,
    choose_drawing,
    display_of,
    map_cell,
    plain_cell,
    telling,
)
from interp.explorer.pages.inside_taking import npz_of
from interp.explorer.parts import Choice, choices, viewer
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.features import Filters, first_filters
from interp.views import Scale, heat, number

SORT, FILTER = "inside_filters", "inside_filter"
SORTS = {
    "orientation": "Angle",
    "frequency": "Frequency",
    "colour": "Colour",
    "strength": "Strength",
    "index": "Number",
}
_PRESSED = "_inside_filter_pressed"
# Under this, as in the figure, a kernel has no orientation to speak of.
ORIENTED = 0.25
ENLARGED = 240


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr})
def filters(network: Network) -> Filters:
    """Return the kernels of the first convolution, the same for everybody; not to be changed."""
    return first_filters(network.model)


def draw(sight: Sight) -> None:
    """Draw the view."""
    found = filters(sight.network)
    count = len(found.kernels)
    links.remember(SORT, "orientation", SORTS)
    chosen = int(links.remember(FILTER, found.order("strength")[0], limits=(0, count - 1)))
    left, right = st.columns([1, 1], gap="medium")
    with right:
        st.segmented_control(
            say("In order of"),
            list(SORTS),
            key=SORT,
            format_func=lambda sort: say(SORTS[sort]),
            persist_state="session",
            required=True,
        )
        _tiles(found, chosen)
    with left:
        st.subheader(say("What does the first layer look for?"), anchor=False)
        stage = st.container()
        st.number_input(
            say("Filter, 0 … {last}", last=count - 1), 0, count - 1, key=FILTER, persist_state="session"
        )
        _answer(sight, found, chosen, stage)
        st.markdown(_words(found, chosen))
        st.caption(
            say(
                "A kernel of {side} pixels tells frequencies apart only roughly, by 1/{side}.",
                side=found.kernels.shape[-1],
            )
        )
    _take(sight, found)


def kernel_picture(found: Filters, index: int, longest: int) -> Image.Image:
    """Return a kernel as a picture: grey or coloured around zero, on the scale of the strongest of all."""
    kernel = found.kernels[index].numpy()
    high, wide = kernel.shape[1:]
    size = (max(longest * wide // max(high, wide), 1), max(longest * high // max(high, wide), 1))
    limit = float(found.kernels.abs().max()) or 1.0
    if len(kernel) != 3:
        return heat(kernel.mean(0), Scale(-limit, limit, "signed"), size, interpolation="nearest")
    levels = np.clip(127.5 + 127.5 * kernel / limit, 0, 255).round().astype(np.uint8)
    return Image.fromarray(levels.transpose(1, 2, 0)).resize(size, Image.Resampling.NEAREST)


def _tiles(found: Filters, chosen: int) -> None:
    order: Any = st.session_state[SORT]
    items = [
        Choice(str(one), f"#{one}", _note(found, one, order), kernel_picture(found, one, TILE))
        for one in found.order(order)
    ]
    outputs, inputs, high, wide = found.kernels.shape
    st.caption(
        say(
            "{layer}: {count} kernels of {inputs}×{high}×{wide}, all on one scale; grey is 0. Press one.",
            layer=f"`{found.layer}`",
            count=outputs,
            inputs=inputs,
            high=high,
            wide=wide,
        )
    )
    choices("inside-filter-tiles", say("Filters"), items, str(chosen), "maps", _PRESSED, _pressed)


def _pressed() -> None:
    st.session_state[FILTER] = int(st.session_state[_PRESSED])


def _note(found: Filters, index: int, order: str) -> str:
    if order in ("colour", "strength", "frequency"):
        return number(float(getattr(found.spectrum, order)[index]))
    return _angle(found, index)


def _angle(found: Filters, index: int) -> str:
    spectrum = found.spectrum
    if not spectrum.frequency[index] > 0:
        return say("flat")
    if spectrum.oriented[index] < ORIENTED:
        return say("no angle")
    return f"{round(float(spectrum.orientation[index])) % 180}°"


def _answer(sight: Sight, found: Filters, chosen: int, stage: DeltaGenerator) -> None:
    """Draw the kernel beside what it gives on the picture."""
    answer = activation(sight.network, sight.picture, found.layer)
    values = answer.values[chosen].numpy()
    # The kernel and the map have cells of their own; only the map's can be read.
    scale = telling(values, display_of(answer.values.numpy()))
    colormap = choose_drawing(scale.display, over=False)
    kernel = plain_cell(
        kernel_picture(found, chosen, ENLARGED),
        say("Kernel {index} of {layer}, enlarged.", index=chosen, layer=found.layer),
        say("Kernel {index}", index=chosen),
        _angle(found, chosen),
    )
    over = map_cell(
        answer.view,
        values,
        scale,
        alt=say("What kernel {index} gives on the picture, from {range}.", index=chosen, range=scale.text),
        title=say("What it gives"),
        note="×".join(map(str, values.shape)),
        over=False,
        colormap=colormap,
    )
    with stage:
        viewer("inside-kernel-of-network", [[kernel, over]])


def _words(found: Filters, index: int) -> str:
    spectrum = found.spectrum
    cells = {
        say("Angle of the stripes"): _angle(found, index),
        say("Cycles per pixel"): number(float(spectrum.frequency[index])),
        say("Oriented, 0 … 1"): number(float(spectrum.oriented[index])),
        say("Colour, 0 … 1"): number(float(spectrum.colour[index])),
        say("Strength"): number(float(spectrum.strength[index])),
    }
    head, line = " | ".join(cells), " | ".join(cells.values())
    return f"| {head} |\n|{' --- |' * len(cells)}\n| {line} |"


def _take(sight: Sight, found: Filters) -> None:
    order = st.session_state[SORT]
    python = (
        "import interp\nfrom interp.features import first_filters\n\n"
        f"{call('model = interp.load', sight.network.name)}\nfilters = first_filters(model)\n"
        f'filters.figure({order!r}).savefig("filters.png")\n'
    )
    # The command draws them in order of their angle.
    command = command_line("interp", "features", "--filters", model=asked_model(sight.network))
    # The figure draws kernels on pictures: grey ones, or red, green and blue.
    drawn = found.kernels.shape[1] in (1, 3)
    figure = Download(say("Picture (PNG)"), "filters.png", "image/png", partial(_figure, found, order))
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "inside-filters",
        [
            *([figure] if drawn else []),
            Download(say("Table (CSV)"), "filters.csv", "text/csv", partial(_table, found)),
            Download(
                say("Kernels (NPZ)"), "filters.npz", "application/octet-stream", partial(_kernels, found)
            ),
        ],
        python if drawn else None,
        command if drawn and order == "orientation" else None,
    )


def _figure(found: Filters, order: Any) -> bytes:
    return as_png_bytes(found.figure(order))


def _table(found: Filters) -> bytes:
    text = io.StringIO()
    names = ("orientation", "frequency", "oriented", "colour", "strength")
    writer = csv.writer(text)
    writer.writerow(["filter", *names])
    columns = [getattr(found.spectrum, name).tolist() for name in names]
    writer.writerows([index, *row] for index, row in enumerate(zip(*columns, strict=True)))
    return text.getvalue().encode()


def _kernels(found: Filters) -> bytes:
    return npz_of({"kernels": found.kernels.numpy()})
