"""The page of a channel: every panel, and words where one has nothing to show."""

import numpy as np
import pytest
from figure_words import assert_inside, words

from interp.views import Bars, Shown, ViewError, channel_figure

GREY = np.full((8, 8, 3), 128, np.uint8)


def page(**more):
    given = {
        "heading": "channel 3",
        "caption": "of a layer",
        "crops": [Shown(GREY, "1.2")],
        "maxima": [0.1, 0.9],
    }
    return channel_figure(**{**given, **more})


def test_all_panels_are_drawn():
    figure = page(
        visualisation=Shown(GREY),
        reached=4.5,
        effects=Bars(["cat", "dog"], [1.5, -0.5]),
        kernel=np.arange(9.0).reshape(3, 3) - 4,
        kernel_words="its kernel",
        neighbours=[Shown(GREY, "7: 0.83")],
    )
    assert_inside(figure)
    said = words(figure)
    for wanted in ("channel 3", "the drawn picture: 4.5", "cat", "−0.5", "its kernel", "7: 0.83", "1.2"):
        assert any(wanted in text for text in said), wanted


def test_missing_panels_are_words():
    said = words(page(crops=[], maxima=[1.0]))
    for wanted in ("not drawn", "no picture drives it", "no classes", "no other channel", "on 1 picture"):
        assert any(wanted in text for text in said), wanted


def test_a_colour_kernel_is_drawn_around_grey():
    kernel = np.zeros((3, 3, 3))
    kernel[0, 0, 0], kernel[2, 2, 2] = 2.0, -2.0
    figure = page(kernel=kernel)
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert any(
        picture.shape == (3, 3, 3) and picture[0, 0, 0] == 255 and picture[2, 2, 2] == 0 for picture in drawn
    )
    assert any("±2" in text for text in words(figure))


def test_maxima_that_are_no_numbers_are_said():
    assert any("no finite value" in text for text in words(page(maxima=[np.nan])))
    with pytest.raises(ViewError, match="maxima"):
        page(maxima=[])
    with pytest.raises(ViewError, match=r"crops\[0\]"):
        page(crops=[Shown(np.zeros((3, 3)))])


@pytest.mark.parametrize("reached", [-3.0, 0.5, 40.0])
def test_the_drawn_picture_is_marked_wherever_it_lies(reached):
    figure = page(reached=reached)
    assert_inside(figure)
    (marked,) = (axes for axes in figure.axes if axes.patches)
    low, high = marked.get_xlim()
    assert low <= marked.lines[-1].get_xdata()[0] <= high
