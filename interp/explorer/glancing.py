"""The badge beside a map: the two checks that take no longer than the map itself, and the way to *Trust*."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass

import streamlit as st

from interp.explanation import Explanation
from interp.explorer.asking import whole
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.verdict import badge
from interp.explorer.words import say
from interp.explorer.working import at_once, kept
from interp.metrics import Trust, truster
from interp.metrics.trusting import Truster


@dataclass(frozen=True)
class _Judge:
    """Judges maps of one network for everybody, one at a time."""

    truster: Truster
    turn: threading.Lock
    lent: ExitStack


def glance(sight: Sight, explanation: Explanation) -> None:
    """Draw the badge of a quick method's map, and the link to the page that says why."""
    found = _found(sight, explanation)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(badge(found), width="content")
        if st.button(say("Put it to the test"), key="glance", icon=":material/verified:", type="tertiary"):
            # A page is known by its address, so this one stands for that of the menu.
            st.switch_page(st.Page(lambda: None, title=say("Trust"), url_path="trust"))


def _found(sight: Sight, explanation: Explanation) -> Trust:
    network, picture = sight.network, sight.picture
    seen = (network.name, network.version, picture.digest, explanation.target.name)
    key = (*seen, explanation.method.name, explanation.layer)
    full: Trust | None = kept("trust", key)  # somebody has been on that page
    if full is not None:
        return full

    def run(_: object) -> Trust:
        judge = _judge(network)
        with judge.turn:
            return judge.truster(whole(explanation, picture), place=False)

    return at_once("glance", key, run, title=say("Can it be believed?"))


@st.cache_resource(max_entries=2, show_spinner=False, hash_funcs={Network: repr})
def _judge(network: Network) -> _Judge:
    lent = ExitStack()
    return _Judge(lent.enter_context(truster(network.model)), threading.Lock(), lent)
