"""The page *Segmentation* for networks that make pictures: what speaks for this patch of the output?"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import streamlit as st
from PIL import Image

from interp import targets
from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import logits
from interp.explorer.choosing import choose_method
from interp.explorer.drawing import LONGEST, choose_drawing
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import HASHES, pixels_of
from interp.explorer.pages.segmentation_evidence import evidence
from interp.explorer.pages.segmentation_maps import (
    cells_of,
    draw_levels,
    maps_of,
    shown_of,
    tell,
    tell_about,
)
from interp.explorer.pages.segmentation_regions import offer_to_forget, pick_place, place_of
from interp.explorer.pages.segmentation_taking import take
from interp.explorer.pages.segmentation_u import draw_u
from interp.explorer.parts import Cell, Picked, as_jpeg, viewer
from interp.explorer.pictures import Chosen
from interp.explorer.words import say
from interp.images import Box
from interp.logits import CallableTarget
from interp.places import Place, PlaceError, positions, seen
from interp.views import covered

Kind = Literal["detail", "value", "gradient_energy", "beyond_bicubic"]
KINDS: dict[Kind, str] = {
    "detail": "Detail",
    "value": "Value",
    "gradient_energy": "Sharpness",
    "beyond_bicubic": "Beyond bicubic",
}
PATCH = "patch"


@dataclass(frozen=True)
class Patch:
    """A property of the picture that a network makes, in a patch or all over.

    Attributes:
        kind: a key of `KINDS`.
        place: the patch in fractions of what the network sees; `None` for all of it.
        pixels: the same in pixels of the picture.
    """

    kind: Kind = "detail"
    place: Place | None = None
    pixels: tuple[int, ...] | None = None

    wanted = None

    @property
    def query(self) -> targets.TargetLike:
        """What `interp.explain` is asked."""
        ask: dict[str, Callable[[Place | None], targets.TargetLike]] = {
            "value": targets.value,
            "gradient_energy": targets.gradient_energy,
            "beyond_bicubic": targets.beyond_bicubic,
        }
        return None if self.kind == "detail" else ask[self.kind](self.place)

    @property
    def python(self) -> str | None:
        """The same as Python; `None` where nothing need be said."""
        if self.kind == "detail":
            return None
        return f"interp.targets.{self.kind}({'' if self.place is None else self.place})"

    @property
    def command(self) -> str | None:
        """The same as a command's `--region`; `None` for all of the picture."""
        return None if self.pixels is None else ",".join(map(str, self.pixels))

    @property
    def measure(self) -> str | None:
        """The same as a command's `--measure`; `None` where nothing need be said."""
        return None if self.kind == "detail" else self.kind.replace("_", "-")


def draw_pictures(sight: Sight) -> None:
    """Draw the page."""
    picked = place_of(sight)
    kinds = on_offer(picked)
    kind: Kind = links.remember(PATCH, kinds[0], kinds)
    left, right = st.columns([1.6, 1], gap="large")
    with right:
        titles = {each: say(title) for each, title in KINDS.items()}
        st.segmented_control(
            say("Ask about"),
            kinds,
            key=PATCH,
            format_func=titles.__getitem__,
            wrap=True,
            persist_state="session",
            required=True,
        )
        method = choose_method("image")
        drawing = choose_drawing(method)
    asked = found = None
    with left:
        st.markdown(f"**{say('Click a pixel or drag a box: what makes it so?')}**")
        try:
            asked = _patch(sight, kind, picked)
            found = maps_of(sight, asked, method)
        except Exception as error:
            tell(error)
            asked = None
        if found is None:
            viewer("segmentation", [[output_cell(sight)]], pick="box", marked=picked, on_pick=pick_place)
    if found is not None and asked is not None:
        explanation = shown_of(sight, found)
        with left:
            title = in_words(asked)
            named = replace(explanation, target=CallableTarget(explanation.target, title))
            cells = cells_of(named, drawing, output_cell(sight), title)
            viewer("segmentation", [cells], pick="box", marked=picked, on_pick=pick_place)
            tell_about(explanation)
            _answer(sight, asked, explanation)
            draw_levels(sight, found, drawing)
        with right:
            take(sight, asked, explanation, drawing)
    draw_u(sight, asked, method, found or {}, drawing)
    links.publish()


def _answer(sight: Sight, asked: Patch, explanation: Explanation) -> None:
    """Say how much of the evidence for a patch lies elsewhere."""
    if asked.place is None:
        return
    height, width = logits(sight.network, sight.picture).shape[1:]
    said = evidence(explanation, positions(asked.place, (height, width)).numpy())
    st.html(f"<p class='interp-answer'><b>{html.escape(said)}</b></p>")
    offer_to_forget()


def on_offer(picked: Picked | None) -> list[Kind]:
    """Return what can be asked, what is asked when nobody says first; a pixel alone has no sharpness."""
    if picked is None:
        return list(KINDS)
    return ["value", "beyond_bicubic"] if picked.is_point else ["value", "gradient_energy", "beyond_bicubic"]


def about_patch(sight: Sight) -> str | None:
    """Return in words what is asked, for the strip that stays in sight."""
    picked = place_of(sight)
    kinds = on_offer(picked)
    try:
        return in_words(_patch(sight, links.remember(PATCH, kinds[0], kinds), picked))
    except PlaceError:
        return None


def in_words(asked: Patch) -> str:
    """Return what is asked in the visitor's language."""
    said = {
        "detail": say("detail of the output"),
        "value": say("value of the output"),
        "gradient_energy": say("sharpness of the output"),
        "beyond_bicubic": say("output beyond bicubic"),
    }[asked.kind]
    if asked.place is None:
        return said
    corners = [f"({x:.2f}, {y:.2f})" for x, y in zip(asked.place[::2], asked.place[1::2], strict=True)]
    where = " – ".join(corners)
    if len(corners) == 1:
        return say("{name} at {place}", name=said, place=where)
    return say("{name} in the box {place}", name=said, place=where)


def _patch(sight: Sight, kind: Kind, picked: Picked | None) -> Patch:
    if picked is None:
        return Patch(kind)
    size = sight.picture.picture.size
    pixels = pixels_of(picked, size)
    return Patch(kind, seen(pixels, size, sight.network.model.preprocess.box(size)), pixels)


def output_cell(sight: Sight) -> Cell:
    """Return the picture that the network makes, in the frame of the one that it was given."""
    address = _output(sight.network, sight.picture)
    return Cell(address, say("The picture that the network makes."), title=say("What it makes"))


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASHES)
def _output(network: Network, picture: Chosen) -> str:
    small = picture.picture.copy()
    small.thumbnail((LONGEST, LONGEST), reducing_gap=3.0)
    box = network.model.preprocess.box(picture.picture.size)
    across, down = small.width / picture.picture.width, small.height / picture.picture.height
    box = Box(box.left * across, box.top * down, box.right * across, box.bottom * down)
    return as_jpeg(output_in_frame(network, picture, small.size, box))


def output_in_frame(network: Network, picture: Chosen, size: tuple[int, int], box: Box) -> Image.Image:
    """Return what a network makes of a picture, where it saw it; the rest is grey.

    Args:
        network: makes pictures.
        picture: what it is given.
        size: `(width, height)` of the frame.
        box: the part that it saw, in pixels of the frame.
    """
    values = network.model.preprocess.inverse(logits(network, picture)[None])[0]
    array = (values.permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    made = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array[..., :3]).convert("RGB")
    first, upper, last, lower = covered(size, (box.left, box.top, box.right, box.bottom))
    frame = Image.new("RGB", size, (216, 216, 216))
    # What lies beyond the frame was added to the picture, and is cut off again.
    whole = made.resize((max(round(box.width), 1), max(round(box.height), 1)), Image.Resampling.BICUBIC)
    offset = (first - round(box.left), upper - round(box.top))
    frame.paste(whole.crop((*offset, offset[0] + last - first, offset[1] + lower - upper)), (first, upper))
    return frame
