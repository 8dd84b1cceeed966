"""Long work: begun by a press, seen with an estimate, cancelled at any time, kept for whoever asks next."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st
from cachetools import LRUCache
from streamlit.delta_generator import DeltaGenerator

from interp.explorer.words import say

T = TypeVar("T")
KEPT = 96
SHARE = 4 * 2**20
RUNNING = "running"


@dataclass
class _Desk:
    """What all sessions share: results, and places for as many jobs as there are cores."""

    results: LRUCache[Hashable, Any] = field(
        default_factory=lambda: LRUCache(maxsize=KEPT, getsizeof=_shares)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)
    places: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(max(1, os.cpu_count() or 1))
    )


class Meter:
    """A progress bar with an estimate, called with (done, all).

    Showing it is also where Streamlit ends a run that has been superseded or cancelled, so work that calls it
    often stops soon.
    """

    def __init__(self, title: str) -> None:
        self._bar = st.progress(0.0, text=title)
        self._title = title
        self._began = time.monotonic()
        self._shown = 0.0

    def __call__(self, done: float, total: float) -> None:
        """Show how far the work is, ten times a second at most."""
        now = time.monotonic()
        if now - self._shown < 0.1 and done < total:
            return
        self._shown = now
        part = min(max(done / total, 0.0), 1.0) if total else 0.0
        left = (now - self._began) * (1 - part) / part if part else None
        self._bar.progress(part, text=self._title if left is None else f"{self._title} · {_in_words(left)}")

    def wait(self) -> None:
        """Say that others are before this visitor."""
        self._bar.progress(0.0, text=say("{title} · waiting for a free place", title=self._title))

    def clear(self) -> None:
        """Take it away."""
        self._bar.empty()


def job(name: str, key: Hashable, run: Callable[[Meter], T], *, button: str, about: str = "") -> T | None:
    """Return the result of long work, or draw the button that begins it and return None.

    Never inside a fragment: what is pressed in a fragment waits until the run before it has ended, so nobody
    could cancel.

    Args:
        name: of the button; one on a page.
        key: everything that the result depends on.
        run: does the work and calls the meter often.
        button: what the button says.
        about: a line beside it: what comes, and how long it takes.
    """
    found: T | None = kept(name, key)
    if found is not None:
        return found
    desk = _desk()
    begun = st.session_state.get(RUNNING)
    if begun is not None and begun[0] == name and begun[1] != key:
        _forget()  # something else is asked now, and waits for its own press
    place = st.empty()  # so that the meter takes the place of the button that began it
    if st.session_state.get(RUNNING) == (name, key):
        result = _done(name, run, button, desk, place)
        with desk.lock:
            desk.results[name, key] = result
        return result
    with place.container():
        st.button(
            button,
            key=f"begin-{name}",
            type="primary",
            on_click=_begin,
            args=(name, key),
            icon=":material/play_arrow:",
        )
        if about:
            st.caption(about)
    return None


def at_once(name: str, key: Hashable, run: Callable[[Meter], T], *, title: str) -> T:
    """Return the result of work of a few seconds that begins by itself, seen and kept as that of a `job`.

    It ends as soon as the visitor goes on.

    Args:
        name: of the work.
        key: everything that the result depends on.
        run: does the work and calls the meter often.
        title: what the meter says.
    """
    found: T | None = kept(name, key)
    if found is not None:
        return found
    desk, place = _desk(), st.empty()
    with place.container():
        meter = Meter(title)
    try:
        result = _in_turn(run, meter, desk)
    finally:
        place.empty()
    with desk.lock:
        desk.results[name, key] = result
    return result


def kept(name: str, key: Hashable) -> Any:
    """Return the result of work that somebody has done before, or None."""
    desk = _desk()
    with desk.lock:
        return desk.results.get((name, key))


def _done(name: str, run: Callable[[Meter], T], title: str, desk: _Desk, place: DeltaGenerator) -> T:
    with place.container():
        meter = Meter(title)
        st.button(say("Cancel"), key=f"cancel-{name}", on_click=_forget, icon=":material/close:")
    try:
        result = _in_turn(run, meter, desk)
    except Exception:
        _forget()
        raise
    finally:
        place.empty()
    _forget()
    return result


def _in_turn(run: Callable[[Meter], T], meter: Meter, desk: _Desk) -> T:
    while not desk.places.acquire(timeout=0.25):
        meter.wait()  # also ends the wait of those who went on
    try:
        return run(meter)
    finally:
        desk.places.release()


def _shares(result: object) -> int:
    """Return how many of the kept results one counts for: large ones say their `kept_bytes`."""
    return min(1 + int(getattr(result, "kept_bytes", 0)) // SHARE, KEPT)


def _begin(name: str, key: Hashable) -> None:
    st.session_state[RUNNING] = (name, key)


def _forget() -> None:
    st.session_state[RUNNING] = None


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return say("about {count} s left", count=max(round(seconds), 1))
    return say("about {count} min left", count=round(seconds / 60))


@st.cache_resource(show_spinner=False)
def _desk() -> _Desk:
    return _Desk()
