"""Figures of Gram matrices and of styles: what is written, what is drawn, what is refused."""

import numpy as np
import pytest
from figure_words import assert_inside, words
from PIL import Image

from interp.views import (
    ViewError,
    gram_figure,
    nearest_figure,
    perceptual_terms_figure,
    style_distance_figure,
    table,
)

LONG = "a_picture_with_a_very_long_name_that_nobody_can_read_in_a_figure.jpeg"


def matrix(channels: int, seed: int = 0) -> np.ndarray:
    rows = np.abs(np.random.default_rng(seed).normal(size=(channels, 20)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def view(width: int = 60, height: int = 40) -> Image.Image:
    return Image.new("RGB", (width, height), "orange")


def drawn(figure) -> list[np.ndarray]:
    """Return the pictures of all axes, without scale bars."""
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("layers", [1, 5, 9])
def test_nothing_leaves_the_page(count, layers):
    figure = gram_figure(
        [[matrix(3 + layer) for layer in range(layers)] for _ in range(count)],
        layers=[f"features.denseblock4.denselayer{n}.relu2" for n in range(layers)],
        pictures=[LONG] * count,
        views=[view()] * count,
        notes=["240 channels, 12 dead"] * layers,
        heading="Which channels fire together",
        note=" ".join([LONG] * 4),
    )
    assert_inside(figure)


def test_cosines_run_from_zero_and_differences_around_it():
    one, other = np.eye(4), np.full((4, 4), 0.5) + np.eye(4) / 2
    figure = gram_figure([[one], [other]], layers=["conv1"], pictures=["cat", "dog"])
    said = words(figure)
    assert "dog − cat" in said
    assert {"0", "0.5", "1", "−0.5"} <= set(said)
    first, second, apart = drawn(figure)[:3]
    assert first.shape == (4, 4, 3)
    assert first[0, 0].tolist() == table("magma")[255].tolist()
    assert first[0, 1].tolist() == table("magma")[0].tolist()
    assert second[0, 1].tolist() == table("magma")[128].tolist()
    assert apart[0, 0].tolist() == table("RdBu_r")[128].tolist()
    assert apart[0, 1].tolist() == table("RdBu_r")[255].tolist()


def test_negative_cosines_have_a_signed_scale():
    figure = gram_figure([[[[1.0, -1.0], [-1.0, 1.0]]]], layers=["conv1"], pictures=["cat"])
    assert {"−1", "0", "1"} <= set(words(figure))
    assert drawn(figure)[0][0, 1].tolist() == table("RdBu_r")[0].tolist()


def test_more_channels_than_pixels_are_averaged():
    stripes = np.tile(np.array([[0.0, 1.0], [1.0, 0.0]]), (1024, 1024))
    figure = gram_figure([[stripes]], layers=["conv1"], pictures=["cat"])
    (shown,) = drawn(figure)[:1]
    assert shown.shape[0] < 600
    half = table("magma")[128].astype(int)
    assert np.abs(shown.astype(int) - half).max() < 60


def test_equal_pictures_have_a_white_difference():
    figure = gram_figure([[np.eye(3)], [np.eye(3)]], layers=["conv1"], pictures=["cat", "dog"])
    assert np.unique(drawn(figure)[2].reshape(-1, 3), axis=0).tolist() == [table("RdBu_r")[128].tolist()]


def test_gram_figures_refuse():
    with pytest.raises(ViewError, match="rows: give at least one picture and one layer"):
        gram_figure([], layers=[], pictures=[])
    with pytest.raises(ViewError, match=r"rows\[0\]\[0\]: shape \(2, 3\); give a square matrix"):
        gram_figure([[np.ones((2, 3))]], layers=["a"], pictures=["b"])
    with pytest.raises(ViewError, match=r"rows\[0\]\[0\]: has values that are not finite"):
        gram_figure([[[[np.nan]]]], layers=["a"], pictures=["b"])
    with pytest.raises(ViewError, match=r"rows\[0\]: 1 given for 2 layers"):
        gram_figure([[np.eye(2)]], layers=["a", "b"], pictures=["c"])
    with pytest.raises(ViewError, match=r"rows\[1\]\[0\]: 3 given for 2 channels of rows\[0\]"):
        gram_figure([[np.eye(2)], [np.eye(3)]], layers=["a"], pictures=["b", "c"])
    for name in ("pictures", "views", "notes"):
        arguments = {"layers": ["a"], "pictures": ["b"], name: ["c", "d"]}
        with pytest.raises(ViewError, match=f"{name}: 2 given for 1"):
            gram_figure([[np.eye(2)]], **arguments)


@pytest.mark.parametrize(
    "count", [1, 2, 5, *(pytest.param(count, marks=pytest.mark.slow) for count in (12, 30))]
)
@pytest.mark.parametrize("views", [True, False])
def test_distances_fit_the_page(count, views):
    values = np.random.default_rng(0).uniform(size=(6, count, count))
    figure = style_distance_figure(
        values,
        layers=[LONG] * 6,
        pictures=[LONG] * count,
        views=[view(40, 60)] * count if views else (),
    )
    assert_inside(figure)


def test_distances_are_written_beside_the_diagonal():
    figure = style_distance_figure([[[0, 0.25], [0.5, 0]]], layers=["conv1"], pictures=["cat", "dog"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.25", "0.50"]
    assert words(figure).count("cat") == 2
    (shown,) = drawn(figure)[:1]
    assert shown[1, 0].tolist() == table("cividis")[255].tolist()
    assert shown[0, 0].tolist() == table("cividis")[0].tolist()


def test_distances_refuse():
    with pytest.raises(ViewError, match="matrices: give at least one"):
        style_distance_figure([], layers=[], pictures=[])
    with pytest.raises(ViewError, match=r"matrices\[0\]: 2 given for 1 pictures"):
        style_distance_figure([np.ones((2, 2))], layers=["a"], pictures=["b"])
    with pytest.raises(ViewError, match=r"matrices\[0\]: has the negative distance −1"):
        style_distance_figure([[[-1]]], layers=["a"], pictures=["b"])


@pytest.mark.parametrize("count", [1, 5, 6, 11])
def test_the_nearest_stand_beside_the_one_asked_about(count):
    found = [view(40 + 10 * n, 50) for n in range(count)]
    distances = [n / 100 for n in range(count)]
    figure = nearest_figure(view(), found, distances=distances, name="cat", names=[LONG] * count)
    assert_inside(figure)
    said = words(figure)
    assert "asked: cat" in said
    assert [word for word in said if word.startswith("0.")] == [f"{d:.2f}" for d in distances]
    # The one asked about is in the first column alone.
    left = [axes.get_position().x0 for axes in figure.axes]
    assert sum(x < 0.1 for x in left) == 1


def test_nearest_figures_refuse():
    with pytest.raises(ViewError, match="nearest: give at least one picture"):
        nearest_figure(view(), [], distances=[])
    with pytest.raises(ViewError, match="distances: 2 given for 1 pictures"):
        nearest_figure(view(), [view()], distances=[0, 1])


def test_terms_are_bars_with_the_names_of_layers():
    terms = {"pixel": 0.25, "feat_0": 1.0, "feat_1": 2.0, "gram_0": 4.0, "gram_1": 0.5}
    figure = perceptual_terms_figure(terms, layers=["a", "b"], pictures=("cat", "dog"), weights=[5, 15])
    assert_inside(figure)
    said = [text.get_text() for text in figure.texts]
    assert said[0] == "cat and dog: 7.75 apart"
    assert said[2:] == ["Gram of a", "features of b", "features of a", "Gram of b", "pixels"]
    with pytest.raises(ViewError, match="terms: 'gram_2' is of no layer; there are pixel"):
        perceptual_terms_figure({"gram_2": 1}, layers=["a"], pictures=("b", "c"), weights=[1])
    with pytest.raises(ViewError, match="weights: 2 given for 1 layers"):
        perceptual_terms_figure(terms, layers=["a"], pictures=("b", "c"), weights=[1, 2])
