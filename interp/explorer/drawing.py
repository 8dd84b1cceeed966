"""Explanations as cells of the viewer, drawn by the same views as everywhere else."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from PIL import Image

from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.parts import Cell, as_jpeg, as_png
from interp.explorer.words import say
from interp.images import Box
from interp.images.pixels import pixels_hash
from interp.methods import INPUT, Method
from interp.views import Drawing, Interpolation, Scale, bar, framed_heat, offered_for, overlay

LONGEST = 900
BAR = (256, 1)
TILE = 180
SMOOTHING: dict[Interpolation, str] = {"bilinear": "Smooth", "bicubic": "Smoother", "nearest": "Cells"}


def choose_drawing(method: Method) -> Drawing:
    """Draw the settings of how a map looks, which ask nothing of the network."""
    colours = offered_for(method.display)
    links.remember("opacity", Drawing().opacity, limits=(0.0, 1.0))
    links.remember("threshold", 0.0, limits=(0.0, 1.0))
    links.remember("colours", colours[0], colours)
    links.remember("smoothing", "bilinear", SMOOTHING)
    smoothing = {kind: say(title) for kind, title in SMOOTHING.items()}
    first, second = st.columns(2)
    first.slider(say("Opacity"), 0.0, 1.0, step=0.05, key="opacity", persist_state="session")
    second.slider(say("Hide what is below"), 0.0, 1.0, step=0.05, key="threshold", persist_state="session")
    first.selectbox(say("Colours"), colours, key="colours", persist_state="session")
    second.selectbox(
        say("Between the cells"),
        list(SMOOTHING),
        key="smoothing",
        format_func=smoothing.__getitem__,
        persist_state="session",
    )
    state = st.session_state
    use_opacity(state["opacity"])
    colormap = None if state["colours"] == colours[0] else state["colours"]
    return Drawing(state["opacity"], colormap, state["threshold"] or None, state["smoothing"])


def use_opacity(opacity: float) -> None:
    """Set the opacity of every viewer on the page; nothing is drawn or sent again for it."""
    st.html(f"<style>:root {{ --interp-opacity: {opacity} }}</style>")


def stage_tile(explanation: Explanation, drawing: Drawing) -> Image.Image:
    """Return an explanation small, at a fixed opacity, for a button."""
    return _overlay(shrunk(explanation, TILE), drawing, Drawing().opacity)


def shrunk(explanation: Explanation, longest: int = LONGEST) -> Explanation:
    """Return it over a picture of at most `longest` pixels a side, with the box that belongs to it."""
    width, height = explanation.picture.size
    part = longest / max(width, height)
    if part >= 1:
        return explanation
    size = (max(1, round(width * part)), max(1, round(height * part)))
    across, down = size[0] / width, size[1] / height
    box = explanation.box
    return replace(
        explanation,
        picture=explanation.picture.resize(size, reducing_gap=3.0),
        box=Box(box.left * across, box.top * down, box.right * across, box.bottom * down),
    )


def _content(explanation: Explanation) -> tuple[object, ...]:
    """Return what a drawing depends on. Not the `id`: those of the dead are used again."""
    box = explanation.box.to_json()
    drawn = explanation.method.display, explanation.method.place
    return pixels_hash(explanation.picture), explanation.values.tobytes(), box, drawn


def _but_opacity(drawing: Drawing) -> tuple[object, ...]:
    """Return what the layers depend on: the browser mixes them by the opacity."""
    return drawing.colormap, drawing.threshold, drawing.interpolation


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Explanation: _content, Drawing: _but_opacity})
def layers_of(explanation: Explanation, drawing: Drawing) -> tuple[str, str]:
    """Return the picture and the map in full strength; mixed by the opacity they are `overlay`."""
    under, over = (_overlay(explanation, drawing, opacity) for opacity in (0.0, 1.0))
    return as_jpeg(under), as_jpeg(over)


def _overlay(explanation: Explanation, drawing: Drawing, opacity: float) -> Image.Image:
    # Without words in the picture: they would be English, and stand under it anyway.
    return overlay(
        explanation.picture,
        explanation.values,
        box=corners(explanation),
        scale=explanation.scale,
        opacity=opacity,
        colormap=drawing.colormap,
        threshold=drawing.threshold,
        interpolation=drawing.interpolation,
        words=False,
    )


def cropped(explanation: Explanation) -> bool:
    """Whether the network saw only a part of the picture; less than a pixel is rounding."""
    left, top, right, bottom = corners(explanation)
    width, height = explanation.picture.size
    return max(left, top, width - right, height - bottom) >= 1


def cell_of(explanation: Explanation, drawing: Drawing, title: str = "", note: str = "") -> Cell:
    """Return an explanation as one cell of the viewer."""
    under, over = layers_of(explanation, drawing)
    width, height = explanation.picture.size
    left, top, right, bottom = corners(explanation)
    return Cell(
        under,
        alt_of(explanation),
        over,
        title,
        note,
        explanation.values,
        (left / width, top / height, right / width, bottom / height),
        scale_of(explanation.scale, drawing),
        ends_of(explanation.scale),
    )


def heat_cell(explanation: Explanation, drawing: Drawing, title: str = "", note: str = "") -> Cell:
    """Return the map alone, in the picture's frame."""
    heat = framed_heat(
        explanation.values,
        explanation.scale,
        explanation.picture.size,
        box=corners(explanation),
        colormap=drawing.colormap,
        interpolation=drawing.interpolation,
    )
    return replace(cell_of(explanation, drawing, title, note), under=as_jpeg(heat), over=None)


def scale_of(scale: Scale, drawing: Drawing) -> str | None:
    """Return the colours from low to high, or None where nothing is drawn."""
    return None if scale.verdict else as_png(bar(scale, drawing.colormap, BAR))


def ends_of(scale: Scale) -> tuple[str, ...]:
    """Return what the first and the last colour stand for, or why there is nothing to see."""
    return (say(scale.verdict),) if scale.verdict else scale.ends


def about_ends(scale: Scale) -> str | None:
    """Return in words which values have the colours of the ends, where some lie beyond them."""
    if not scale.beyond:
        return None
    return say("{share} of the positions lie beyond the ends of the scale.", share=scale.cut)


def alt_of(explanation: Explanation) -> str:
    """Return in a sentence what a map over a picture shows, for those who cannot see it."""
    if explanation.layer == INPUT:
        return _alt_on_input(explanation)
    if explanation.scale.verdict:
        return say(
            "Map for {target} at layer {layer}: {verdict}.",
            target=explanation.target.name,
            layer=explanation.layer,
            verdict=say(explanation.scale.verdict),
        )
    return say(
        "Map for {target} at layer {layer}; strongest {place}.",
        target=explanation.target.name,
        layer=explanation.layer,
        place=_place(explanation),
    )


def _alt_on_input(explanation: Explanation) -> str:
    target, verdict = explanation.target.name, explanation.scale.verdict
    if verdict:
        return say("Map for {target} on the input: {verdict}.", target=target, verdict=say(verdict))
    return say("Map for {target} on the input; strongest {place}.", target=target, place=_place(explanation))


def _place(explanation: Explanation) -> str:
    """Return where the strongest value lies in the picture, in words."""
    values = explanation.values
    strength = abs(values) if explanation.scale.low < 0 else values
    row, column = divmod(int(strength.argmax()), values.shape[1])
    left, top, right, bottom = corners(explanation)
    x = (left + (column + 0.5) / values.shape[1] * (right - left)) / explanation.picture.width
    y = (top + (row + 0.5) / values.shape[0] * (bottom - top)) / explanation.picture.height
    across = (say("left"), say("in the middle"), say("right"))[min(int(3 * x), 2)]
    down = (say("at the top"), say("half way down"), say("at the bottom"))[min(int(3 * y), 2)]
    return f"{down}, {across}"


def corners(explanation: Explanation) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of what the map covers."""
    box = explanation.box
    return (box.left, box.top, box.right, box.bottom)
