"""All that is wrong is one sentence."""

from pathlib import Path

import pytest

from interp.training.data import DataError, Kind, Problems

CUT = Kind("picture is cut off", "pictures are cut off")
EMPTY = Kind("mask is empty", "masks are empty")


def test_every_kind_is_counted_and_three_examples_are_shown():
    problems = Problems("pets")
    for number in range(5):
        problems.add(CUT, f"{number}.jpg", item=number)
    problems.add(EMPTY, "m.png", item=9)
    with pytest.raises(DataError) as raised:
        problems.raise_if_any()
    assert str(raised.value) == (
        "the data in pets has problems: 5 pictures are cut off (0.jpg; 1.jpg; 2.jpg; …); 1 mask is empty "
        "(m.png). Fix or remove them, or give --skip-bad to go on without them."
    )
    assert problems.bad == {0, 1, 2, 3, 4, 9}


def test_nothing_is_raised_where_nothing_is_wrong():
    problems = Problems("pets")
    problems.raise_if_any()
    assert not problems
    assert problems.bad == frozenset()


def test_files_are_named_as_they_lie_in_the_folder(tmp_path, monkeypatch):
    problems = Problems(tmp_path)
    assert problems.name(tmp_path / "a" / "b.jpg") == "a/b.jpg"
    assert problems.name(Path("/elsewhere/b.jpg")) == "/elsewhere/b.jpg"
    monkeypatch.chdir(tmp_path)
    assert problems.name(Path("a/b.jpg")) == "a/b.jpg"
    assert problems.name(tmp_path / "\x1b[2J.jpg") == repr("\x1b[2J.jpg")
