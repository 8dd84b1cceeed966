"""Which region of a segmentation is asked about: the controls, and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import streamlit as st

from interp.explorer import links
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_truth import Truth, choose_truth, truth_of
from interp.explorer.parts import Picked
from interp.explorer.words import say
from interp.regions import Side

Kind = Literal["place", "component", "predicted", "truth", "missed", "invented"]
KINDS: dict[Kind, str] = {
    "place": "The place",
    "component": "The thing there",
    "predicted": "Where predicted",
    "truth": "Where true",
    "missed": "Missed",
    "invented": "Invented",
}
BORDERS = {"none": "All of it", "inner": "Inner border", "outer": "Outer border"}
REGION, BORDER, WIDTH = "region", "border", "border_px"
USUAL, WIDEST = 3, 99
PLACE = "place"


@dataclass(frozen=True)
class Region:
    """What was chosen.

    Attributes:
        kind: a key of `KINDS`.
        border: the side and the width, where only a border is asked about.
        truth: where the kind needs it.
    """

    kind: Kind = "predicted"
    border: tuple[Side, int] | None = None
    truth: Truth | None = None


def place_of(sight: Sight) -> Picked | None:
    """Return the place that was picked in this picture, or that the link names."""
    before = st.session_state.get("_place_of")
    st.session_state["_place_of"] = sight.picture.digest
    text = links.remember(PLACE, None)
    if before not in (None, sight.picture.digest):
        links.carry(PLACE, None)
        return None
    return Picked.read(text)


def pick_place(place: Picked) -> None:
    """Ask about a place that was clicked, or about the thing there if things are asked about."""
    links.carry(PLACE, place.text)
    if st.session_state.get(REGION) not in ("place", "component"):
        st.session_state[REGION] = "place"


def forget_place() -> None:
    """Ask about no place."""
    links.carry(PLACE, None)


def offer_to_forget() -> None:
    """Draw the button that does so."""
    st.button(say("Forget the place"), on_click=forget_place, icon=":material/close:")


def region_of(sight: Sight, picked: Picked | None) -> Region:
    """Return the region that is asked about, from the session or the link."""
    truth = truth_of(sight.picture)
    offered = on_offer(picked, truth)
    kind: Kind = links.remember(REGION, offered[0], offered)
    side = links.remember(BORDER, "none", BORDERS)
    width = links.remember(WIDTH, USUAL, limits=(1, WIDEST))
    border = None if side == "none" else (side, width)
    return Region(kind, border, truth if kind in ("truth", "missed", "invented") else None)


def on_offer(picked: Picked | None, truth: Truth | None) -> list[Kind]:
    """Return the regions that there are, the one that is asked about when nobody says first."""
    without: set[Kind] = set()
    if picked is None:
        without |= {"place"}
    if picked is None or not picked.is_point:
        without |= {"component"}
    if truth is None:
        without |= {"truth", "missed", "invented"}
    return [kind for kind in get_args(Kind) if kind not in without]


def choose_region(sight: Sight, picked: Picked | None) -> None:
    """Draw the choice of the region, of its border and of the ground truth."""
    truth = truth_of(sight.picture)
    titles = {kind: say(title) for kind, title in KINDS.items()}
    st.segmented_control(
        say("Region"),
        on_offer(picked, truth),
        key=REGION,
        format_func=titles.__getitem__,
        wrap=True,
        persist_state="session",
        required=True,
    )
    sides = {side: say(title) for side, title in BORDERS.items()}
    st.segmented_control(
        say("Of the region"),
        list(BORDERS),
        key=BORDER,
        format_func=sides.__getitem__,
        label_visibility="collapsed",
        wrap=True,
        persist_state="session",
        required=True,
    )
    if st.session_state[BORDER] != "none":
        st.number_input(
            say("Width of the border in positions of the output"),
            1,
            WIDEST,
            step=1,
            key=WIDTH,
            persist_state="session",
        )
    choose_truth(sight.picture, truth)


def in_words(name: str, region: Region, place: tuple[float, ...] | None) -> str:
    """Return a class over a region in the visitor's language; in English, as the target is called.

    Args:
        name: of the class.
        region: where.
        place: in fractions, of a pixel or a box.
    """
    corners = [f"({x:.2f}, {y:.2f})" for x, y in zip((place or ())[::2], (place or ())[1::2], strict=True)]
    where = " – ".join(corners)
    said = {
        "predicted": say("{name}, where it is predicted", name=name),
        "truth": say("{name}, where it truly is", name=name),
        "missed": say("{name}, where it is missed", name=name),
        "invented": say("{name}, where it is invented", name=name),
        "component": say("{name} in the component at {place}", name=name, place=where),
        "place": say("{name} at {place}", name=name, place=where)
        if len(corners) == 1
        else say("{name} in the box {place}", name=name, place=where),
    }[region.kind]
    if region.border is None:
        return said
    side, width = region.border
    if side == "inner":
        return say("{name}: inner border, {count} px", name=said, count=width)
    return say("{name}: outer border, {count} px", name=said, count=width)
