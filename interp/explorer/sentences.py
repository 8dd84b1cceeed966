"""Failures as sentences on the page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from interp.explorer.words import plain, problem, say

_log = logging.getLogger(__name__)


@contextmanager
def told_on_page() -> Iterator[None]:
    """Show a known failure as its sentence, and keep the details of any other in the server's log.

    The frame has one around every page. A fragment needs its own, because it runs again without the frame.
    """
    try:
        yield
    except Exception as error:
        sentence = problem(error)
        if sentence is None:
            _log.exception("the page failed")
            sentence = say("This should not have happened. The server's log says more.")
        st.error(plain(sentence), icon=":material/error:")
