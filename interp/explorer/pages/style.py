"""*Style*: Gram matrices of two pictures, layer by layer."""

from __future__ import annotations

import html
import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from interp.explorer import links
from interp.explorer.figures import as_png_bytes
from interp.explorer.networks import Network
from interp.explorer.page import Page, Sight
from interp.explorer.pages.style_made import draw_nearest, draw_painting
from interp.explorer.pages.style_matrices import draw_all_layers, draw_matrices, forget_channel
from interp.explorer.parts import Choice, choices
from interp.explorer.pictures import GALLERY, UPLOAD, Chosen, opened_sample, sample_pictures, tile, uploaded
from interp.explorer.settings import Settings
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.features import Style, StyleDistances, style, style_distances
from interp.models import DEFAULT_MODEL

# Relative distances of Gram matrices, and what people would say of them.
VERDICTS = (
    (1e-6, "The same style: every two features occur together as often in both."),
    (0.1, "Nearly the same style."),
    (0.3, "Much alike in style."),
    (0.5, "Rather different in style."),
    (1.01, "Little in common in style."),
)


def draw(sight: Sight) -> None:
    """Draw the page."""
    left, right = st.columns([1, 1.5], gap="medium")
    with left:
        st.subheader(say("Compare with which picture?"), anchor=False)
        other = _choose_other(sight.picture)
    if other is None:
        st.info(say("Choose a second picture: a sample, or a file of yours."))
        return
    found = styles(sight.network, sight.picture, other)
    with right:
        _how_far(found, other)
    draw_matrices(sight, other, found)
    draw_all_layers(sight, found)
    _take(sight, other, found)  # before what takes long, so that it is there meanwhile
    draw_nearest(sight)
    draw_painting(sight)


def _choose_other(first: Chosen) -> Chosen | None:
    """Draw the choice of the second picture and return it, or None after a sentence."""
    samples = {path.name: path for path in sample_pictures(str(Settings.of().pictures))}
    names = [*samples, UPLOAD]
    small = {name: tile(path) for name, path in list(samples.items())[:GALLERY]}
    readable = [name for name, image in small.items() if image is not None and name != first.name]
    links.remember("style_with", readable[-1] if readable else UPLOAD, names)
    tiles = [Choice(name, _words(name), image=image) for name, image in small.items()]
    choices(
        "style-gallery", say("Second picture"), tiles, st.session_state["style_with"], "tiles", "style_with"
    )
    st.selectbox(
        say("Second picture"),
        names,
        key="style_with",
        format_func=_words,
        persist_state="session",
        label_visibility="collapsed",
    )
    name = st.session_state["style_with"]
    if name != UPLOAD:
        return opened_sample(str(samples[name]))
    return uploaded("style_uploaded", say("A picture of your own"))


def _words(name: str) -> str:
    return say("Upload a picture …") if name == UPLOAD else Path(name).stem.replace("_", " ")


def styles(network: Network, first: Chosen, second: Chosen) -> Style:
    """Return the Gram matrices of two pictures at the last activation of each grid; not to be changed."""
    # Sessions share what is kept, and one of them may call the same picture otherwise.
    return replace(_styles(network, first, second), pictures=(first.name, second.name))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def _styles(network: Network, first: Chosen, second: Chosen) -> Style:
    return style(network.model, [first.picture, second.picture])


def _how_far(found: Style, other: Chosen) -> None:
    """Draw the distance in one number and a sentence, and a bar for each layer that chooses it."""
    distances = style_distances(found)
    mean = float(distances.mean[0, 1])
    st.subheader(say("How far are the two apart in style?"), anchor=False)
    said = next(words for limit, words in VERDICTS if mean <= limit)
    st.html(f"<p><b style='font-size:1.6rem'>{mean:.2f}</b> &nbsp; {html.escape(say(said))}</p>")
    apart = distances.values[:, 0, 1].tolist()
    items = [
        Choice(layer, layer, f"{distance:.2f}", share=distance)
        for layer, distance in zip(found.layers, apart, strict=True)
    ]
    layer = links.remember("style_layer", found.layers[len(found.layers) // 2], found.layers)
    choices("style-bars", say("Distance at each layer"), items, layer, "bars", "style_layer", forget_channel)
    st.caption(
        say(
            "0: the same features occur together. 0.71: no feature in common. Early layers compare colours "
            "and edges, late ones what is in the picture. Press a layer to see its matrices."
        )
    )


def _take(sight: Sight, other: Chosen, found: Style) -> None:
    distances = style_distances(found)
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "style",
        [
            Download(say("Matrices (PNG)"), "gram.png", "image/png", lambda: as_png_bytes(found.figure())),
            Download(
                say("Distances (PNG)"), "distances.png", "image/png", lambda: as_png_bytes(distances.figure())
            ),
            Download(
                say("Matrices (NPZ)"), "gram.npz", "application/octet-stream", partial(_matrices, found)
            ),
            Download(
                say("Distances (JSON)"), "style.json", "application/json", partial(_about, found, distances)
            ),
        ],
        _python(sight, other),
        command_line(
            "interp",
            "gram",
            sight.picture.source,
            other.source,
            model=None if sight.network.name == DEFAULT_MODEL else sight.network.name,
        ),
        ""
        if sight.picture.path and other.path
        else say("Your picture stays with you: code and link name it, they do not contain it."),
    )


def _python(sight: Sight, other: Chosen) -> str:
    lines = [
        "import interp",
        "from interp.features import style, style_distances",
        "",
        f"model = {call('interp.load', sight.network.name)}",
        f"found = style(model, [{sight.picture.source!r}, {other.source!r}])",
        "found.figure().savefig('gram.png')",
        "distances = style_distances(found)",
        "distances.figure().savefig('distances.png')",
        "print(dict(zip(distances.layers, distances.values[:, 0, 1].tolist())))",
    ]
    return "\n".join(lines) + "\n"


def _matrices(found: Style) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {layer: values.numpy() for layer, values in found.grams.items()}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _about(found: Style, distances: StyleDistances) -> bytes:
    about = {
        "model": found.model,
        "pictures": list(found.pictures),
        "normalise": found.normalise,
        "distances": dict(zip(distances.layers, distances.values[:, 0, 1].tolist(), strict=True)),
        "mean": float(distances.mean[0, 1]),
    }
    return json.dumps(about, indent=1, ensure_ascii=False).encode()


PAGE = Page(
    "style",
    "Style",
    ":material/texture:",
    "Which features occur together, wherever in the picture that is: texture without place.",
    draw,
)
