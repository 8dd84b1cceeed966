"""Concepts over pictures: colours where the heat is, one scale, nothing clipped."""

import numpy as np
import pytest
from figure_words import assert_inside, words
from PIL import Image

from interp.views import (
    ViewError,
    class_colours,
    concept_maps_figure,
    concept_over,
    concepts_figure,
    concepts_over,
)

GREY = Image.new("RGB", (60, 40), (128, 128, 128))
RED, BLUE = (255, 0, 0), (0, 0, 255)


def is_grey(pixel: np.ndarray) -> bool:
    return int(pixel.max()) == int(pixel.min())


def test_colour_is_where_the_heat_is() -> None:
    view = concept_over(GREY, [[0.0, 0.0, 5.0]], RED)

    assert view.shape == (40, 60, 3)
    assert is_grey(view[20, 5])
    assert view[20, 55, 0] > 2 * view[20, 55, 2]


def test_half_of_the_full_colour_is_half_as_far_from_grey() -> None:
    none, half, whole, more = (
        concept_over(GREY, [[value]], RED, full=2.0)[0, 0].astype(int) for value in (0.0, 1.0, 2.0, 9.0)
    )

    assert half == pytest.approx((none + whole) / 2, abs=1)
    assert (whole == more).all()


def test_each_pixel_has_the_concept_that_is_nearest_to_its_full_colour() -> None:
    heat = np.array([[[4.0, 4.0]], [[0.0, 1.0]]])

    view = concepts_over(GREY, heat, [RED, BLUE], full=[8.0, 1.0])

    assert view[20, 2, 0] > view[20, 2, 2]
    assert view[20, 57, 2] > view[20, 57, 0]


def test_outside_the_box_there_is_no_colour_and_the_picture_fades() -> None:
    view = concept_over(GREY, np.ones((3, 3)), RED, box=(20, 10, 40, 30))

    assert not is_grey(view[20, 30])
    assert is_grey(view[5, 5])
    assert view[5, 5, 0] > 128


def test_without_any_heat_nothing_has_colour() -> None:
    view = concepts_over(GREY, np.zeros((2, 3, 3)), [RED, BLUE])

    assert all(is_grey(pixel) for pixel in view.reshape(-1, 3))


def test_large_pictures_are_made_smaller_with_their_box() -> None:
    view = concept_over(Image.new("RGB", (4800, 2400)), np.ones((2, 2)), RED, box=(0, 0, 2400, 2400))

    assert view.shape == (240, 480, 3)
    assert not is_grey(view[120, 230])
    assert is_grey(view[120, 250])


def test_pictures_share_one_scale() -> None:
    heat = np.stack([np.full((1, 4, 4), 10.0), np.full((1, 4, 4), 0.1)])

    figure = concept_maps_figure([GREY, GREY], heat, names=["cat 90%"], heading="Concepts", note="bn2")

    strong, weak = (np.asarray(figure.axes[place].images[0].get_array())[20, 30] for place in (2, 5))
    assert np.ptp(strong.astype(int)) > 50
    assert np.ptp(weak.astype(int)) < 5
    assert {"concept 1", "0 … 10", "cat 90%", "picture", "all concepts"} <= set(words(figure))
    assert_inside(figure)


def test_a_row_has_importance_heat_and_examples() -> None:
    crops = [[Image.new("RGB", (50, 50), "orange")] * 3, [Image.new("RGB", (50, 50), "navy")]]

    figure = concepts_figure(
        crops,
        importance=[0.6, 0.15],
        falls=[2.0, -0.5],
        picture=GREY,
        heat=np.ones((2, 3, 3)),
        full=[1.0, 4.0],
        box=(10, 0, 50, 40),
        heading="Two concepts of a cat",
        note="bn2",
    )

    assert len(figure.axes) == (1 + 1 + 3) + (1 + 1 + 1) + 2
    said = " ".join(words(figure))
    assert "importance 0.6" in said
    assert "score falls by \N{MINUS SIGN}0.5" in said
    assert "full colour 4" in said
    assert_inside(figure)


def test_bars_are_in_proportion_and_have_their_concepts_colours() -> None:
    crop = [Image.new("RGB", (50, 50))]
    figure = concepts_figure([crop, crop, crop], importance=[0.8, 0.2, 0.0])
    colours = class_colours(3)

    for place, (axes, part) in enumerate(zip(figure.axes[::2], (1.0, 0.25, 0.0), strict=True)):
        bar = np.asarray(axes.images[0].get_array())
        assert (bar[..., :3] == colours[place]).all(-1).mean() == pytest.approx(part, abs=0.03)


def test_what_does_not_agree_is_said() -> None:
    crop = [Image.new("RGB", (9, 9))]
    with pytest.raises(ViewError, match="at least one concept"):
        concepts_figure([])
    with pytest.raises(ViewError, match="give both or neither"):
        concepts_figure([crop], picture=GREY)
    with pytest.raises(ViewError, match="importance: 2 given for 1 concepts"):
        concepts_figure([crop], importance=[1, 2])
    with pytest.raises(ViewError, match=r"shape \(3, 3\)"):
        concepts_over(GREY, np.ones((3, 3)), [RED])
    with pytest.raises(ViewError, match="colours: 1 given for 2 concepts"):
        concepts_over(GREY, np.ones((2, 3, 3)), [RED])
    with pytest.raises(ViewError, match="names: 2 given for 1 concepts"):
        concept_maps_figure([GREY], np.ones((1, 1, 3, 3)), names=["a", "b"])
