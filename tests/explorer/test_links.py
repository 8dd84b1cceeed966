"""What a link carries, and what it cannot be made to do."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from explorer_app import checked, forget, opened, words
from hypothesis import given
from hypothesis import strategies as values
from streamlit.testing.v1 import AppTest

from interp.explorer.parts import Picked
from interp.explorer.words import language

PATHS = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "cat.jpg\x00.png",
    "x" * 5000,
    "<script>alert(1)</script>",
]


@pytest.mark.slow
def test_a_link_opens_the_same_view():
    first = opened("look", picture="cat.jpg")
    first.selectbox(key="class").set_value("tabby")
    first.selectbox(key="method").set_value("hires-cam")
    first.run()
    first.select_slider(key="layer").set_value("blocks.4")
    first.slider(key="opacity").set_value(0.35)
    first.segmented_control(key="mode").set_value("split")
    checked(first.run())
    carried = {
        key: value[0] if isinstance(value, list) else value for key, value in first.query_params.items()
    }
    again = opened("look", **carried)
    for key in ("picture", "class", "method", "layer", "opacity", "mode"):
        assert again.session_state[key] == first.session_state[key], key
    assert [code.value for code in again.code][:2] == [code.value for code in first.code][:2]
    assert again.code[2].value.endswith(urlencode(carried))


def test_what_is_as_always_is_not_in_the_link():
    assert dict(opened("look").query_params) == {}


@pytest.mark.parametrize("path", PATHS)
def test_a_link_cannot_ask_for_what_is_not_offered(path):
    keys = ["picture", "model", "class", "method", "layer", "colours", "lang", "mode"]
    page = opened("look", **dict.fromkeys(keys, path))
    assert path[:20] not in words(page)
    assert dict(page.query_params) == {}


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "2", "1e999", "9" * 400, "", "0.5; drop", "一"])
def test_numbers_outside_their_limits_are_passed_over(text):
    page = opened("look", opacity=text, threshold=text)
    assert page.slider(key="opacity").value == 0.6
    assert page.slider(key="threshold").value == 0.0


def test_what_a_link_asks_for_in_vain_is_said():
    page = opened("look", **{"class": "nonsense", "opacity": "0.4", "picture": "nope.jpg"})
    (said,) = [toast.value for toast in page.toast]
    assert "class" in said
    assert "picture" in said
    assert "opacity" not in said


def _lists() -> None:
    import streamlit as st

    from interp.explorer import links

    links.adopt()
    st.write(links.remember("runs", ["a"], ["a", "b,c", "d"]))
    links.publish()


@pytest.mark.parametrize(
    ("given", "found"),
    [(["b,c"], ["b,c"]), (["a,d"], ["a", "d"]), (["a", "b,c"], ["a", "b,c"]), ([""], []), (["x"], ["a"])],
)
def test_lists_travel_in_links(given, found):
    page = AppTest.from_function(_lists)
    page.query_params["runs"] = given
    page.run()
    assert page.session_state["runs"] == found
    again = AppTest.from_function(_lists)
    for key, value in page.query_params.items():
        again.query_params[key] = value
    again.run()
    assert again.session_state["runs"] == found


def test_settings_stay_when_the_language_changes():
    page = opened("look", smoothing="nearest", mode="split")
    page.segmented_control(key="lang").set_value("zh")
    checked(page.run())
    assert page.session_state["smoothing"] == "nearest"
    assert page.session_state["mode"] == "split"
    assert "观察" in words(page)
    assert dict(page.query_params)["lang"] in ("zh", ["zh"])


@pytest.mark.slow
@given(text=values.text(max_size=40))
def test_any_text_is_a_place_or_none(text):
    place = Picked.read(text)
    assert place is None or Picked.read(place.text) is not None


@given(values.lists(values.floats(0, 1), min_size=4, max_size=4))
def test_a_place_comes_back_from_its_text(ends):
    left, right = sorted(ends[:2])
    top, bottom = sorted(ends[2:])
    place = Picked(left, top, right, bottom)
    again = Picked.read(place.text)
    assert again is not None
    assert max(abs(getattr(again, n) - getattr(place, n)) for n in ("left", "top", "right", "bottom")) <= 1e-4


def test_outside_a_visit_the_language_is_english():
    forget()
    assert language() == "en"
