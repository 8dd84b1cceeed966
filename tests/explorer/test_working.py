"""Long work: begun, cancelled, kept, bounded."""

from __future__ import annotations

import threading

import pytest
from streamlit.testing.v1 import AppTest

from interp.explorer.working import KEPT


def _page(kind: str) -> None:
    import streamlit as st

    from interp.explorer.working import job

    calls = st.session_state.setdefault("calls", [])
    key = st.session_state.get("asked", 0)

    def run(meter):
        calls.append(key)
        for step in range(5):
            meter(step, 5)
            if kind == "fails" and step == 3:
                raise ValueError("it broke")
            if kind == "stops" and step == 3:
                st.session_state["running"] = None
                st.rerun()
        return f"result of {key}"

    try:
        found = job("count", (kind, key), run, button="Count", about="five steps")
    except ValueError as error:
        st.error(str(error))
    else:
        st.write(found or "nothing yet")


@pytest.fixture
def app():
    return lambda kind: AppTest.from_function(_page, args=(kind,)).run()


def test_work_begins_by_a_press_and_is_kept(app):
    page = app("once")
    assert page.markdown[0].value == "nothing yet"
    page.button(key="begin-count").click().run()
    assert page.markdown[0].value == "result of 0"
    page.run()
    assert page.session_state["calls"] == [0]
    assert [button.label for button in page.button] == []


def test_another_question_waits_for_another_press(app):
    page = app("again")
    page.button(key="begin-count").click().run()
    page.session_state["asked"] = 1
    page.run()
    assert page.markdown[0].value == "nothing yet"
    page.session_state["asked"] = 0
    page.run()
    assert page.markdown[0].value == "result of 0"


@pytest.mark.slow
def test_a_failure_gives_its_place_back_and_does_not_begin_again(app):
    for _ in range(threading.active_count() + 4):
        page = app("fails")
        page.button(key="begin-count").click().run()
        assert page.error[0].value == "it broke"
    page.run()
    assert not page.error
    assert len(page.session_state["calls"]) == 1


@pytest.mark.slow
def test_cancelled_work_gives_its_place_back(app):
    for _ in range(threading.active_count() + 4):
        page = app("stops")
        page.button(key="begin-count").click().run()
        assert page.markdown[0].value == "nothing yet"
        assert page.button(key="begin-count").label == "Count"


def test_what_was_superseded_does_not_begin_by_itself(app):
    page = app("superseded")
    page.session_state["running"] = ("count", ("superseded", 0))
    page.session_state["asked"] = 1
    page.run()
    page.session_state["asked"] = 0
    page.run()
    assert page.markdown[0].value == "nothing yet"


@pytest.mark.slow
def test_what_is_kept_is_bounded(app):
    page = app("many")
    for number in range(KEPT + 1):
        page.session_state["asked"] = number
        page.run()
        page.button(key="begin-count").click().run()
    page.session_state["asked"] = 0
    page.run()
    assert page.markdown[0].value == "nothing yet"
