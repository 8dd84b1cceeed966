import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interp.views.text import balanced, clean, font, say, shorten, wrap

FACE = font(12)


def test_the_font_is_the_one_that_comes_with_matplotlib() -> None:
    assert FACE.getname() == ("DejaVu Sans", "Book")
    assert font(12, bold=True).getname() == ("DejaVu Sans", "Bold")


@given(st.text(max_size=80), st.floats(0, 300))
def test_a_shortened_text_fits_and_keeps_its_beginning(text: str, width: float) -> None:
    shown = shorten(text, FACE, width)

    assert FACE.getlength(shown) <= width
    assert shown == clean(text) or shown == "" or clean(text).startswith(shown.removesuffix("…"))


def test_shortening_keeps_as_much_as_fits() -> None:
    width = FACE.getlength("tiger c…")

    assert shorten("tiger cat, big", FACE, width) == "tiger c…"
    assert shorten("tiger cat, big", FACE, width - 1) == "tiger…"
    assert shorten("tiger cat", FACE, 1000) == "tiger cat"


@given(st.text(max_size=120), st.integers(20, 200), st.integers(1, 4))
def test_wrapped_lines_fit(text: str, width: int, lines: int) -> None:
    for shown in (wrap(text, FACE, width, lines), balanced(text, FACE, width, lines)):
        assert len(shown) <= lines
        assert all(FACE.getlength(line) <= width for line in shown)


def test_words_that_fit_are_all_there() -> None:
    words = "flat map: every position has the same value (3)"

    assert " ".join(wrap(words, FACE, 150, 9)) == words
    assert " ".join(balanced(words, FACE, 150, 9)) == words


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert "".join(wrap("a" * 60, FACE, 100, 9)) == "a" * 60


@pytest.mark.parametrize("text", ["猫 です", "a\nb\tc\x00", "\udc80.jpg", "مرحبا", "🐈", "", "x" * 10**6])
def test_any_text_can_be_drawn(text: str) -> None:
    said = say(Image.new("RGB", (120, 80), "white"), text)

    assert said.size == (120, 80)
    assert "\n" not in clean(text)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (12, 12)])
def test_words_never_break_a_tiny_picture(size: tuple[int, int]) -> None:
    assert say(Image.new("RGB", size), "no positive evidence").size == size
    assert say(Image.new("RGB", size), "no positive evidence", "middle").size == size


def test_words_in_the_middle_cover_no_more_than_they_need() -> None:
    white = Image.new("RGB", (400, 200), "white")

    changed = (np.asarray(say(white, "flat", "middle")) != 255).any(axis=2)

    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] + rows[-1] == pytest.approx(199, abs=2)
    assert columns[0] + columns[-1] == pytest.approx(399, abs=2)
    assert np.ptp(columns) < 60
