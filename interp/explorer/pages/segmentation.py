"""*Segmentation*: why is this pixel road? And the U with pictures in it."""

from __future__ import annotations

import html
from dataclasses import replace

import streamlit as st

from interp.dense import RegionTarget
from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.asking import areas, class_titles
from interp.explorer.choosing import choose_method
from interp.explorer.drawing import choose_drawing
from interp.explorer.page import Page, Sight
from interp.explorer.pages.segmentation_asked import Question, class_at, question
from interp.explorer.pages.segmentation_evidence import evidence, predicted_there, share
from interp.explorer.pages.segmentation_maps import (
    cells_of,
    draw_levels,
    maps_of,
    shown_of,
    tell,
    tell_about,
)
from interp.explorer.pages.segmentation_other import point_elsewhere
from interp.explorer.pages.segmentation_pictures import about_patch, draw_pictures
from interp.explorer.pages.segmentation_regions import (
    choose_region,
    forget_place,
    in_words,
    offer_to_forget,
    pick_place,
    place_of,
    region_of,
)
from interp.explorer.pages.segmentation_taking import take
from interp.explorer.pages.segmentation_u import draw_u
from interp.explorer.pages.segmentation_views import classes_cell, legend
from interp.explorer.parts import Picked, choices, viewer
from interp.explorer.words import say
from interp.places import PlaceError
from interp.views import Drawing


def draw(sight: Sight) -> None:
    """Draw the page."""
    task = sight.network.model.task
    if task == "segmentation":
        _page(sight)
    elif task == "image":
        draw_pictures(sight)
    else:
        point_elsewhere(sight.network)


def _page(sight: Sight) -> None:
    titles = class_titles(sight.network)
    wanted = links.remember("class", None, titles)
    picked = place_of(sight)
    region = region_of(sight, picked)
    st.caption(say("The network finds these classes. Press one to see what speaks for it where it is found."))
    pressed = wanted if picked is None else None
    choices(
        "legend",
        say("Predicted classes"),
        legend(sight, list(titles)),
        pressed,
        "bars",
        "class",
        forget_place,
    )
    left, right = st.columns([1.6, 1], gap="large")
    with right:
        _choose_class(titles)
        choose_region(sight, picked)
        method = choose_method("segmentation")
        drawing = choose_drawing(method)
    asked = found = None
    with left:
        st.markdown(f"**{say('Click a pixel or drag a box: why this?')}**")
        try:
            asked = question(sight, picked, wanted, region)
            found = maps_of(sight, asked, method)
        except Exception as error:
            tell(error)
            asked = None
        if found is None:
            # Without an answer, the picture stays: the same class may have one at another place.
            viewer("segmentation", [[classes_cell(sight)]], pick="box", marked=picked, on_pick=pick_place)
            if picked is not None:
                offer_to_forget()
    if found is not None and asked is not None:
        explanation = shown_of(sight, found)
        with left:
            _view(sight, asked, explanation, drawing, picked)
            _answer(sight, asked, explanation)
            draw_levels(sight, found, drawing)
        with right:
            take(sight, asked, explanation, drawing)
    draw_u(sight, asked, method, found or {}, drawing)
    links.publish()


def about(sight: Sight) -> str | None:
    """Return in words what is asked, for the strip that stays in sight."""
    if sight.network.model.task != "segmentation":
        return about_patch(sight) if sight.network.model.task == "image" else None
    titles = class_titles(sight.network)
    wanted = links.remember("class", None, titles)
    picked = place_of(sight)
    try:
        asked = question(sight, picked, wanted, region_of(sight, picked))
    except PlaceError:
        return None
    if wanted is not None:
        name = titles[wanted]
    elif asked.wanted is not None:
        name = str(asked.wanted)
    else:
        there = asked.place
        index = areas(sight.network, sight.picture)[0][0] if there is None else class_at(sight, there)
        name = sight.network.model.labels[index]
    return in_words(name, asked.region, asked.place)


def _pick(place: Picked) -> None:
    pick_place(place)
    # Who clicks asks about what is there; another class can be chosen afterwards.
    st.session_state["class"] = None


def _choose_class(titles: dict[str, str]) -> None:
    st.selectbox(
        say("Ask about any class"),
        list(titles),
        index=None,
        key="class",
        format_func=titles.__getitem__,
        placeholder=say("what it predicts"),
        persist_state="session",
    )


def _view(
    sight: Sight, asked: Question, explanation: Explanation, drawing: Drawing, picked: Picked | None
) -> None:
    target = explanation.target
    assert isinstance(target, RegionTarget)
    name = in_words(sight.network.model.labels[target.index], asked.region, asked.place)
    named = replace(explanation, target=replace(target, name=name))
    cells = cells_of(named, drawing, classes_cell(sight), named.title)
    viewer("segmentation", [cells], pick="box", marked=picked, on_pick=_pick)
    tell_about(explanation)


def _answer(sight: Sight, asked: Question, explanation: Explanation) -> None:
    """Say in words how sure the network is there, and how much of the evidence lies elsewhere."""
    target = explanation.target
    assert isinstance(target, RegionTarget)
    labels = sight.network.model.labels
    words = {
        "name": labels[target.index],
        "share": f"{100 * share(sight.network, sight.picture, target):.1f}",
    }
    whole = asked.region.border is None
    if whole and asked.region.kind == "predicted":
        first = say("Where it predicts {name}, the network gives it {share} % on average.", **words)
    elif whole and asked.region.kind == "place" and len(asked.place or ()) == 2:
        first = say("At this pixel the network gives {name} {share} %.", **words)
    elif whole and asked.region.kind == "place":
        first = say("In this box the network gives {name} {share} % on average.", **words)
    else:
        first = say(
            "In this region of {count} positions the network gives {name} {share} % on average.",
            count=f"{int(target.region.sum()):,}",
            **words,
        )
    there = predicted_there(sight.network, sight.picture, target)
    if there != target.index:
        first += " " + say("It predicts {name} there.", name=labels[there])
    second = evidence(explanation, target.region.cpu().numpy())
    st.html(f"<p class='interp-answer'><b>{html.escape(first)}</b><br>{html.escape(second)}</p>")
    if asked.place is not None:
        offer_to_forget()


PAGE = Page(
    "segmentation",
    "Segmentation",
    ":material/interests:",
    "Why is this pixel road? Which level of the U knows it?",
    draw,
    asked=about,
)
