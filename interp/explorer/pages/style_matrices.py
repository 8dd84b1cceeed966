"""Gram matrices of two pictures side by side, the channels in the order of their clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from interp.explorer import links
from interp.explorer.figures import as_png_bytes, scrolled
from interp.explorer.page import Sight
from interp.explorer.parts import Cell, as_png, viewer
from interp.explorer.pictures import Chosen
from interp.explorer.sentences import told_on_page
from interp.explorer.words import plain, say
from interp.features import Style, cosine, dead_channels, layer_distances, neighbours, style_distances
from interp.views import Scale, bar, heat, number, shared_limits, style_distance_figure

Values = npt.NDArray[np.float32]
SIDE = 480
# What the pointer reads: a page has no room for the millions of values of a late layer.
READ = 96
BAR = (256, 1)


@dataclass(frozen=True)
class Matrices:
    """The cosines of one layer's channels for two pictures, in the order that both share."""

    order: tuple[int, ...]
    first: Values
    second: Values


def cosines(found: Style, layer: str) -> Matrices:
    """Return the cosine views of two pictures at a layer, clustered alike."""
    order = found.order(layer)
    rows = list(order)
    first, second = (one[rows][:, rows].numpy() for one in cosine(found.grams[layer]))
    return Matrices(order, first, second)


@st.fragment
def draw_matrices(sight: Sight, other: Chosen, found: Style) -> None:
    """Draw a layer's matrices, and who fires together with a channel."""
    with told_on_page():
        _draw_matrices(sight, other, found)


def _draw_matrices(sight: Sight, other: Chosen, found: Style) -> None:
    st.subheader(say("Which features occur together?"), anchor=False)
    links.remember("style_layer", found.layers[len(found.layers) // 2], found.layers)
    st.selectbox(
        say("Layer"), found.layers, key="style_layer", persist_state="session", on_change=forget_channel
    )
    layer = st.session_state["style_layer"]
    st.caption(
        say(
            "Each row and each column is a feature (a channel). Where two cross, the colour says how far "
            "they occur at the same places: 1 always, 0 never. Features that occur together stand side by "
            "side, so they make a bright square. Where in the picture they are does not matter."
        )
    )
    matrices = cosines(found, layer)
    viewer("style-matrices", [_cells(matrices, sight.picture.name, other.name, layer)])
    count = len(matrices.order)
    dead = [len(dead_channels(one)) for one in found.grams[layer]]
    st.caption(
        say(
            "{count} channels; {first} of them are silent everywhere in the first picture, "
            "{second} in the second.",
            count=count,
            first=dead[0],
            second=dead[1],
        )
    )
    _together(sight, other, found, layer)
    links.publish()


def _cells(matrices: Matrices, first: str, second: str, layer: str) -> list[Cell | None]:
    signed = min(float(matrices.first.min()), float(matrices.second.min())) < -1e-6
    scale = Scale(-1.0, 1.0, "signed") if signed else Scale(0.0, 1.0, "positive")
    apart = matrices.second - matrices.first
    limits = shared_limits([apart], "signed")
    cells: list[Cell | None] = [
        _cell(
            values, scale, name, say("Gram matrix of {name} at {layer}, as cosines", name=name, layer=layer)
        )
        for name, values in ((first, matrices.first), (second, matrices.second))
    ]
    if limits is not None:
        alt = say("Difference of the two Gram matrices at {layer}", layer=layer)
        cells.append(_cell(apart, Scale(*limits, "signed"), say("second − first"), alt))
    return cells


def _cell(values: Values, scale: Scale, title: str, alt: str) -> Cell:
    drawn = heat(averaged(values, SIDE), scale, (SIDE, SIDE), interpolation="nearest")
    ends = (number(scale.low), number(scale.high))
    return Cell(
        as_png(drawn),
        alt,
        title=title,
        values=averaged(values, READ),
        scale=as_png(bar(scale, None, BAR)),
        ends=ends,
    )


def averaged(values: Values, most: int) -> Values:
    """Return a matrix of at most so many rows, each the mean of several where there are more."""
    if len(values) <= most:
        return values
    return np.asarray(Image.fromarray(values).resize((most, most), Image.Resampling.BOX), dtype=np.float32)


def _together(sight: Sight, other: Chosen, found: Style, layer: str) -> None:
    """Draw which channels fire together with one, in either picture."""
    grams = found.grams[layer]
    loudest = int(grams[0].diagonal().argmax())
    links.remember("style_channel", loudest, range(len(grams[0])))
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    left.number_input(
        say("Which features occur with channel …"),
        0,
        len(grams[0]) - 1,
        key="style_channel",
        persist_state="session",
    )
    channel = int(st.session_state["style_channel"])
    lines = []
    for name, matrix in zip((sight.picture.name, other.name), grams, strict=True):
        near = [one for one in neighbours(matrix, channel, 6) if one.cosine > 0]
        said = ", ".join(f"**{one.channel}** ({one.cosine:.2f})" for one in near)
        lines.append(f"{plain(name)}: {said or say('none, it is silent in this picture')}")
    right.markdown("  \n".join(lines))


def forget_channel() -> None:
    """Ask about the loudest channel when another layer comes."""
    st.session_state.pop("style_channel", None)


def draw_all_layers(sight: Sight, found: Style) -> None:
    """Draw what is wider: all layers at once, the distances as matrices, the layers among each other."""
    with st.expander(say("All layers at once"), on_change="rerun") as opened:
        if not opened.open:
            return
        first, second = found.pictures
        scrolled(
            "style-gram",
            as_png_bytes(found.figure()),
            say("Gram matrices of {first} and {second} at every layer", first=first, second=second),
        )
        scrolled(
            "style-distances",
            as_png_bytes(style_distances(found).figure()),
            say("Distances of {first} and {second} at every layer", first=first, second=second),
        )
        st.caption(
            say(
                "And how different are the layers? Channels of two layers have nothing to do with each "
                "other, so their spectra are compared: 0 where both use as many directions equally."
            )
        )
        between = [layer_distances(found, place).nan_to_num(nan=1.0).numpy() for place in range(2)]
        drawn = style_distance_figure(
            between,
            layers=list(found.pictures),
            pictures=found.layers,
            heading="How far layers are apart",
            note="half the sum of the differences of their spectra: 0 for equal ones",
        )
        alt = say("Distances of the layers to each other for either picture")
        scrolled("style-layers", as_png_bytes(drawn), alt)
