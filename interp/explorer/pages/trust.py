"""*Trust*: can this map be believed? The answer, and then why."""

from __future__ import annotations

import streamlit as st

from interp.explorer import links
from interp.explorer.choosing import duration
from interp.explorer.drawing import cell_of, cropped
from interp.explorer.page import Page, Sight
from interp.explorer.pages.trust_asked import Case, choose, found
from interp.explorer.pages.trust_cascade import draw_cascade
from interp.explorer.pages.trust_checks import checks, choose_truth, pick_truth
from interp.explorer.pages.trust_curves import controls, measure_controls, own, scenes
from interp.explorer.pages.trust_taking import take
from interp.explorer.parts import film, viewer
from interp.explorer.verdict import verdict
from interp.explorer.words import plain, problem, say
from interp.explorer.working import Meter, at_once, job
from interp.metrics import Trust
from interp.metrics.trusting import passes, trust
from interp.views import Drawing

WIDEST = 360


def draw(sight: Sight) -> None:
    """Draw the page."""
    left, right = st.columns([1, 1.7], gap="large")
    with right:
        answer = st.container()
        method = choose(sight)
        layer = st.container()
    try:
        with layer:
            case = found(sight, method)
        if case is None:
            return
        with left:
            _map(case)
        with answer:
            trusted = _answer(case)
    except Exception as error:
        # The choice of another method must stay in sight.
        sentence = problem(error)
        if sentence is None:
            raise
        answer.error(plain(sentence), icon=":material/error:")
        return
    _tested(case, trusted)


def _map(case: Case) -> None:
    cell = cell_of(case.shown, Drawing(), case.shown.title, case.shown.caption)
    truth = choose_truth(case)
    viewer("trust-map", [[cell]], widest=WIDEST, pick="box", marked=truth, on_pick=pick_truth)
    said = [say("Grey is what the network never saw.")] if cropped(case.shown) else []
    if truth is None:
        said.append(say("Drag a box around the class: then it is checked whether the map lies there."))
    else:
        said.append(say("Click to take the box away."))
    st.caption(" ".join(said))


def _answer(case: Case) -> Trust | None:
    """Draw the verdict, and return it; of a slow method when somebody has begun it."""

    def run(meter: Meter) -> Trust:
        return trust(case.explanation, progress=meter)

    made: Trust | None
    if case.method.quick:
        made = at_once("trust", case.key, run, title=say("Can it be believed?"))
    else:
        about = duration(case.network, passes(case.method.passes))
        made = job("trust", case.key, run, button=say("Can it be believed?"), about=about)
    if made is not None:
        st.html(verdict(made))
    return made


def _tested(case: Case, trusted: Trust | None) -> None:
    st.subheader(say("Watch it being tested"))
    others = controls(case)
    runs = (own(case), *(others or ()))
    shares = case.shown.probability is not None
    film(
        "trust-film",
        scenes(case, runs),
        score=say("probability of {name}", name=case.shown.target.name) if shares else say("score"),
        shares=shares,
    )
    waiting = st.container()
    forgotten = draw_cascade(case)
    measured = checks(case)
    take(case, runs, trusted, measured, forgotten)
    links.publish()
    if others is None:
        with waiting:
            measure_controls(case)
        st.rerun()


PAGE = Page(
    "trust",
    "Trust",
    ":material/verified:",
    "Can this map be believed? It is put to the test before your eyes.",
    draw,
    ("classification",),
)
