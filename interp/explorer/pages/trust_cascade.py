"""The network forgets from the top: the maps from the trained network to one that knows nothing."""

from __future__ import annotations

import html

import streamlit as st

from interp.explorer.choosing import estimate
from interp.explorer.drawing import corners, shrunk
from interp.explorer.pages.trust_asked import Case
from interp.explorer.parts import as_jpeg
from interp.explorer.words import say
from interp.explorer.working import Meter, at_once, job
from interp.metrics.cascading import Forgotten, cascade
from interp.metrics.trusting import SURVIVES

STEPS = 8
LONGEST = 300


def draw_cascade(case: Case) -> tuple[Forgotten, ...] | None:
    """Draw the maps while ever more layers forget what they know, and return them if they were made."""
    st.subheader(say("The network forgets"))
    st.markdown(
        say(
            "From left to right ever more weights are shuffled, from the last layer up to the first. A map "
            "of what the network has learnt falls apart; one that stays shows only the picture."
        )
    )

    def run(meter: Meter) -> tuple[Forgotten, ...]:
        return cascade(case.explanation, steps=STEPS, progress=meter)

    found: tuple[Forgotten, ...] | None
    if case.method.quick:
        found = at_once("trust-cascade", case.key, run, title=say("Shuffling the weights …"))
    else:
        about = estimate(case.network, case.method, STEPS)
        found = job("trust-cascade", case.key, run, button=say("Shuffle the weights"), about=about)
    if found is not None:
        st.html(f"<div class='interp-strip'>{''.join(map(_step, found))}</div>")
        st.markdown(f"**{_verdict(found[-1].rank)}**")
    return found


def _step(each: Forgotten) -> str:
    title = say("trained") if each.part == 0 else say("{share} % shuffled", share=round(100 * each.part))
    small = shrunk(each.explanation, LONGEST)
    left, top, right, bottom = corners(small)
    picture = small.overlay().crop((round(left), round(top), round(right), round(bottom)))
    alt = say("{title}: like the first map {rank}", title=title, rank=_written(each.rank))
    bars = _bar(say("order"), each.rank) + _bar("SSIM", each.ssim)
    image = f"<img src='{as_jpeg(picture)}' alt='{_safe(alt)}'>"
    return f"<figure>{image}<figcaption>{_safe(title)}</figcaption>{bars}</figure>"


def _bar(title: str, value: float) -> str:
    if value != value:
        return ""
    width = 100 * min(max(value, 0.0), 1.0)
    head = f"<span>{_safe(title)}</span><span>{_written(value)}</span>"
    return f"<div class='like'>{head}<div class='track'><i style='width:{width:.0f}%'></i></div></div>"


def _verdict(rank: float) -> str:
    number = _written(rank)
    if rank > SURVIVES:
        return say(
            "It stays when nothing learnt is left (rank correlation {rank}): do not believe it.", rank=number
        )
    return say("It falls apart, as it should (rank correlation {rank} at the end).", rank=number)


def _written(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
