"""`interp crappify` as people type it."""

import command
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def good(tmp_path):
    """A folder of three pictures."""
    folder = tmp_path / "good"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for name in ("a.jpg", "b.png", "c.jpg"):
        Image.fromarray(chance.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(folder / name)
    return folder


def interp(*arguments):
    done = command.interp(*arguments)
    return done.returncode, done.stdout, done.stderr


def test_pictures_are_made_and_the_same_command_makes_none_again(tmp_path, good):
    code, out, _ = interp("crappify", good, tmp_path / "poor", "--size", "20", "--quality", "30-40")
    assert code == 0
    assert "3 poor pictures made → " in out
    assert Image.open(tmp_path / "poor" / "b.jpg").size == (30, 20)
    code, out, _ = interp("crappify", good, tmp_path / "poor", "--size", "20", "--quality", "30-40")
    assert code == 0
    assert "0 poor pictures made, 3 were there already → " in out


def test_a_bad_picture_is_named_and_the_exit_code_says_so(tmp_path, good):
    (good / "bad.jpg").write_text("no picture")
    code, out, complaints = interp("crappify", good, tmp_path / "poor", "--variant", "grey")
    assert code == 1
    assert "3 poor pictures made" in out
    assert "interp: bad.jpg: " in complaints
    assert "interp: 1 of 4 pictures could not be used." in complaints


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--variant", "gray"), "there is no variant 'gray'"),
        (("--quality", "low"), "--quality low: give a number or two, such as 60 or 10-70."),
        (("--quality", "1-2-3"), "--quality 1-2-3: give a number or two"),
        (("--quality", "60-20"), "quality=60-20: give a JPEG quality or two"),
        (("--size", "0"), "size=0: give the pixels of the shorter side"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, good, arguments, sentence):
    code, _, complaints = interp("crappify", good, tmp_path / "poor", *arguments)
    assert code == 2
    assert sentence in complaints
    assert len(complaints.strip().splitlines()) == 1
    assert not (tmp_path / "poor").exists()


def test_a_folder_of_folders_is_told_how_to_walk_it(tmp_path, good):
    code, _, complaints = interp("crappify", good.parent, tmp_path / "poor")
    assert code == 2
    assert "It has 1 folder inside: --recursive walks it." in complaints
