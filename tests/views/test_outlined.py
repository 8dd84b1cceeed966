"""A region outlined on its picture."""

import numpy as np
import pytest
from PIL import Image

from interp.views import ViewError, outlined

ORANGE = (230, 159, 0)


def test_inside_is_as_it_is_and_outside_is_greyer():
    region = np.zeros((60, 80), bool)
    region[20:40, 20:60] = True
    drawn = outlined(Image.new("RGB", (80, 60), "white"), region)
    assert drawn.shape == (240, 320, 3)
    assert drawn[120, 160].tolist() == [255] * 3
    assert drawn[10, 10].tolist() == [192] * 3  # rounded to even
    line = (drawn == ORANGE).all(2)
    assert line[80:160, 80].all()
    assert not line[:80].any()
    assert not line[90:150, 90:230].any()
    assert (drawn[79, 80:240] == 0).all()


def test_a_region_of_all_or_nothing_has_no_line():
    white = np.full((300, 300, 3), 255, np.uint8)
    assert (outlined(white, np.ones((300, 300))) == 255).all()
    assert (outlined(white, np.zeros((300, 300))) == 192).all()


def test_pictures_are_not_changed_and_never_made_smaller():
    picture = np.arange(3 * 500 * 400).astype(np.uint8).reshape(500, 400, 3)
    before = picture.copy()
    region = np.zeros((500, 400), bool)
    region[:100] = True
    drawn = outlined(picture, region, faded=0)
    assert drawn.shape == picture.shape
    assert np.array_equal(picture, before)
    assert np.array_equal(drawn[110:], before[110:])


def test_what_does_not_fit_is_said():
    white = Image.new("RGB", (4, 3), "white")
    with pytest.raises(ViewError, match=r"region: shape \(4, 3\) over a picture of \(3, 4\)"):
        outlined(white, np.ones((4, 3)))
    with pytest.raises(ViewError, match="faded 2"):
        outlined(white, np.ones((3, 4)), faded=2)
