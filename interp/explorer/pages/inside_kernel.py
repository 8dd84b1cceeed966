"""*Inside*, a kernel by hand: a few numbers, a picture, and what comes out. No network takes part."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from interp.explorer import links
from interp.explorer.figures import as_png_bytes
from interp.explorer.page import Sight
from interp.explorer.pages.inside_maps import (
    choose_drawing,
    display_of,
    map_cell,
    note_on,
    plain_cell,
    telling,
)
from interp.explorer.pages.inside_taking import npz_of
from interp.explorer.parts import viewer
from interp.explorer.pictures import Chosen
from interp.explorer.taking import Download, command_line, take_home
from interp.explorer.words import say
from interp.features import KERNELS, FeatureError, Filtered, apply_kernel
from interp.features.kernels import parse_kernel
from interp.views import Scale, number

PRESET, NUMBERS, SIDE = "inside_preset", "inside_numbers", "inside_side"
OWN = "own"
SIDES = (3, 5)
# As the command's --size: on a camera's pixels edges are wider than a kernel.
LONGEST = 256
_BASE, _EDITED = "_inside_base", "_inside_edited"

Table = npt.NDArray[np.float64]


def draw(sight: Sight) -> None:
    """Draw the view."""
    st.subheader(say("What does a convolution do with nine numbers?"), anchor=False)
    left, right = st.columns([1, 1.5], gap="medium")
    with left:
        kernel = _kernel()
    found = _applied(sight.picture, kernel)
    with right:
        stage = st.container()
        values = found.values.numpy()
        scale = telling(values, display_of(values))
        colormap = choose_drawing(scale.display, over=False)
        with stage:
            _result(found, scale, colormap)
    _take(sight, found, kernel)


def write(table: Table) -> str:
    """Return a table of numbers as text, which `apply_kernel` and the link read.

    Example:
        >>> write(np.array([[0.0, -1.0], [0.5, 1.0]]))
        '0 -1; 0.5 1'
    """
    return "; ".join(" ".join(f"{value:.7g}" for value in row) for row in table)


def read(text: str | None) -> Table | None:
    """Return the square table that a link's text means, None where it means none."""
    try:
        table: Table = parse_kernel(text or "").double().numpy()
    except FeatureError:
        return None
    return table if table.shape in {(side, side) for side in SIDES} else None


def sized(table: Table, side: int) -> Table:
    """Return a table with zeros put around it, or its border cut off, so that the middle stays."""
    have = len(table)
    if side <= have:
        cut = (have - side) // 2
        return table[cut : cut + side, cut : cut + side]
    return np.pad(table, (side - have) // 2)


def _kernel() -> str:
    """Draw the presets and the numbers, which may be changed, and return the name or the numbers as text."""
    typed = read(links.remember(NUMBERS, None))
    links.remember(PRESET, OWN if typed is not None else "sobel-x", [*KERNELS, OWN])
    state = st.session_state
    st.selectbox(
        say("Kernel"),
        [*KERNELS, OWN],
        key=PRESET,
        format_func=lambda name: say("your own numbers") if name == OWN else name,
        persist_state="session",
        on_change=_preset,
    )
    if state[PRESET] == OWN and typed is None:
        typed = np.zeros((3, 3))
        typed[1, 1] = 1.0
    now = typed if state[PRESET] == OWN and typed is not None else np.array(KERNELS[state[PRESET]])
    # The editor keeps what people change as differences from this, so it stays as it is meanwhile.
    base = read(state.get(_BASE)) if state[PRESET] == OWN else None
    base = now if base is None else base
    state[_BASE] = write(base)
    state[SIDE] = len(now)
    st.segmented_control(say("Rows and columns"), SIDES, key=SIDE, on_change=_resized, required=True)
    st.data_editor(
        base,
        key=_editor(state[_BASE]),
        hide_index=True,
        num_rows="fixed",
        column_config={
            str(place): st.column_config.NumberColumn(" " * (place + 1), format="%.3g", required=True)
            for place in range(len(base))
        },
        on_change=_edited,
    )
    st.caption(say("Press a number to change it. The result is the sum over red, green and blue."))
    own = write(now) if state[PRESET] == OWN else None
    links.carry(NUMBERS, own)
    return own or str(state[PRESET])


def _editor(base: str) -> str:
    return f"inside-editor-{base}"


def _preset() -> None:
    """Let the table begin anew with what was chosen; with one's own numbers from those that stand there."""
    state = st.session_state
    if state[PRESET] == OWN and state.get(_BASE):
        state[NUMBERS] = state[_BASE]
    else:
        state.pop(_BASE, None)


def _edited() -> None:
    """Make the changed numbers one's own."""
    state = st.session_state
    base = read(state[_BASE])
    if base is None:
        return
    state[NUMBERS] = write(changed(base, state[_editor(state[_BASE])]["edited_rows"]))
    state[PRESET] = OWN


def changed(base: Table, rows: Mapping[int, Mapping[str, float | None]]) -> Table:
    """Return a table with the changes that Streamlit's editor tells: row → column → number."""
    table = base.copy()
    for row, cells in rows.items():
        for column, value in cells.items():
            table[int(row), int(column)] = 0.0 if value is None else value
    return table


def _resized() -> None:
    state = st.session_state
    now = read(state.get(NUMBERS)) if state[PRESET] == OWN else np.array(KERNELS[state[PRESET]])
    if now is None:
        return
    state[NUMBERS] = state[_BASE] = write(sized(now, state[SIDE]))
    state[PRESET] = OWN


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Chosen: lambda c: c.digest})
def _applied(picture: Chosen, kernel: str) -> Filtered:
    small = picture.picture.copy()
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return apply_kernel(small, kernel)


def _result(found: Filtered, scale: Scale, colormap: str | None) -> None:
    picture = plain_cell(found.picture, say("The picture, made small"), say("Picture"))
    result = map_cell(
        found.picture,
        found.values.numpy(),
        scale,
        alt=say(
            "What the kernel gives, from {low} to {high}.",
            low=number(float(found.values.min())),
            high=number(float(found.values.max())),
        ),
        title=say("What comes out"),
        note="×".join(map(str, found.values.shape)),
        over=False,
        colormap=colormap,
    )
    viewer("inside-by-hand", [[picture, result]])
    st.caption(
        say(
            "The picture's values are 0 … 1, the result's {low} … {high}. The last colour stands for the "
            "strongest 0.5 %.",
            low=number(float(found.values.min())),
            high=number(float(found.values.max())),
        )
    )


def _take(sight: Sight, found: Filtered, kernel: str) -> None:
    stem = Path(sight.picture.name).stem
    python = (
        "import interp\nfrom interp.features import apply_kernel\n\n"
        f"picture = interp.open_image({sight.picture.source!r})\n"
        f"picture.thumbnail(({LONGEST}, {LONGEST}), 1)  # 1 is LANCZOS\n"
        f'found = apply_kernel(picture, {kernel!r})\nfound.figure().savefig("kernel.png")\n'
    )
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "inside-kernel",
        [
            Download(say("Picture (PNG)"), f"{stem}.kernel.png", "image/png", partial(_figure, found)),
            Download(
                say("Values (NPZ)"), f"{stem}.kernel.npz", "application/octet-stream", partial(_values, found)
            ),
        ],
        python,
        command_line("interp", "features", sight.picture.source, kernel=kernel, size=LONGEST),
        note_on(sight.picture),
    )


def _figure(found: Filtered) -> bytes:
    return as_png_bytes(found.figure())


def _values(found: Filtered) -> bytes:
    return npz_of({"values": found.values.numpy(), "kernel": found.kernel.numpy()})
