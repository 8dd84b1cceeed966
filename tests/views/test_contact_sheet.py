from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from interp.views.contact_sheet import Tile, contact_sheet

RED = Image.new("RGB", (40, 40), (200, 0, 0))
WIDE = Image.new("RGB", (400, 40), (200, 0, 0))


def red(sheet: Image.Image) -> np.ndarray:
    return (np.asarray(sheet) == (200, 0, 0)).all(axis=2)


def runs(line: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[0, line.astype(int), 0]))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_the_grid_is_even() -> None:
    sheet = red(contact_sheet([Tile(RED, "a", "b")] * 6, columns=3, tile=96))

    across, down = runs(sheet.any(axis=0)), runs(sheet.any(axis=1))
    assert [b - a for a, b in across] == [96] * 3
    assert [b - a for a, b in down] == [96] * 2
    assert len({b[0] - a[0] for a, b in pairwise(across)}) == 1


def test_a_wide_picture_is_shown_whole_in_the_middle_of_its_tile() -> None:
    sheet = red(contact_sheet([Tile(WIDE, "a"), Tile(RED, "b")], columns=2, tile=100))

    (top, bottom), (left, right) = runs(sheet[:, 20])[0], runs(sheet.any(axis=0))[0]
    square = runs(sheet[:, right + 20])[0]
    assert (right - left, bottom - top) == (100, 10)
    assert top + bottom == square[0] + square[1]


def test_a_failed_tile_is_grey_with_its_reason() -> None:
    sheet = contact_sheet([Tile(RED, "broken.jpg", "not a picture", failed=True)], tile=200)
    blank = contact_sheet([Tile(RED, "broken.jpg", "", failed=True)], tile=200)

    assert not red(sheet).any()
    inside = sheet.crop((12, 12, 212, 212))
    assert max(inside.getcolors(), key=lambda c: c[0])[1] == (226, 226, 226)
    assert np.asarray(inside).min() < 60
    assert sheet.tobytes() != blank.tobytes()


def test_words_stay_under_their_own_tile() -> None:
    sheet = contact_sheet([Tile(RED, "long " * 50, "name " * 50)] * 2, columns=2, tile=100)

    across = runs(red(sheet).any(axis=0))
    dark = np.flatnonzero((np.asarray(sheet) < 200).all(axis=2).any(axis=0))
    assert dark.size
    assert all(any(a <= x < b for a, b in across) for x in dark)


def test_what_is_left_out_is_counted() -> None:
    tiles = [Tile(RED, str(i)) for i in range(10)]

    some = contact_sheet(tiles, columns=2, max_tiles=4)
    all_four = contact_sheet(tiles[:4], columns=2)

    assert len(runs(red(some).any(axis=1))) == 2
    assert some.crop((0, 0, *all_four.size)).tobytes() == all_four.tobytes()
    assert np.asarray(some)[all_four.height :].min() < 150


def test_hundreds_of_tiles_and_none_at_all() -> None:
    many = contact_sheet([Tile(RED, str(i)) for i in range(300)], tile=48)

    assert len(runs(red(many).any(axis=0))) == 8
    assert contact_sheet([]).size[1] > 20


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"tile": 10}, {"max_tiles": 0}])
def test_wrong_numbers_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        contact_sheet([Tile(RED, "a")], **wrong)  # type: ignore[arg-type]
