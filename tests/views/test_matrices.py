import numpy as np
import pytest
from figure_words import assert_inside, words

from interp.views import ViewError, bar_figure, confusion_figure

LONG = "staffordshire <b>$x$</b> bull terrier " * 20


def counts(classes: int, each: int = 40) -> np.ndarray:
    matrix = np.random.default_rng(0).integers(0, 3, (classes, classes))
    return matrix + each * np.eye(classes, dtype=int)


def test_the_matrix_writes_counts_by_row_and_leaves_zeros_empty() -> None:
    figure = confusion_figure([[8, 2], [0, 9]], ["cat", "dog"])

    texts = {t.get_position(): t.get_text() for t in figure.axes[0].texts}

    assert texts == {(0, 0): "8", (1, 0): "2", (1, 1): "9"}
    assert {"accuracy 0.895 (17 of 19)", "0.80", "1.00"} <= set(words(figure))


def test_what_is_right_is_blue_and_what_is_wrong_is_red() -> None:
    pixels = np.asarray(confusion_figure([[8, 2], [0, 9]], ["a", "b"]).axes[0].images[0].get_array())

    red, _, blue = pixels[0, 0].astype(int)
    assert blue > red
    red, _, blue = pixels[0, 1].astype(int)
    assert red > blue
    assert (pixels[1, 0] == 255).all()


def test_the_scale_of_the_wrong_ends_at_the_worst_share_but_not_below_a_tenth() -> None:
    assert "0.2" in words(confusion_figure([[8, 2], [0, 9]], ["a", "b"]))
    assert "0.1" in words(confusion_figure([[99, 1], [0, 9]], ["a", "b"]))


def test_a_class_without_pictures_is_absent() -> None:
    assert "absent" in words(confusion_figure([[8, 2], [0, 0]], ["a", "b"]))
    assert "no pictures" in words(confusion_figure([[0]], ["a"]))


def test_above_40_classes_the_worst_pairs_are_listed_instead_of_numbers() -> None:
    matrix = 50 * np.eye(41, dtype=int)
    matrix[3, 7], matrix[7, 3] = 30, 4

    figure = confusion_figure(matrix, [f"class {i}" for i in range(41)])

    assert not figure.axes[0].texts
    said = words(figure)
    first = said.index("30×")
    assert said[first : first + 4] == ["30×", "class 3", "taken for class 7", "38 %"]
    assert said.index("4×") > first


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 3, 37, 60])
@pytest.mark.parametrize("name", ["a", LONG])
def test_no_word_of_a_matrix_leaves_the_figure(classes: int, name: str) -> None:
    assert_inside(confusion_figure(counts(classes), [name] * classes))


def test_numbers_that_are_wider_than_their_cells_are_left_out() -> None:
    matrix = counts(37, each=123_456_789)

    assert not confusion_figure(matrix, ["x"] * 37).axes[0].texts


@pytest.mark.parametrize(
    ("matrix", "labels", "argument"),
    [
        ([], [], "counts"),
        ([[1, 2]], ["a"], "counts"),
        ([[0.5]], ["a"], "counts"),
        ([[-1]], ["a"], "counts"),
        ([[1]], ["a", "b"], "labels"),
    ],
)
def test_an_error_of_a_matrix_names_the_argument(matrix, labels, argument) -> None:
    with pytest.raises(ViewError, match=f"^{argument}"):
        confusion_figure(matrix, labels)


def test_bars_are_sorted_and_what_is_absent_stands_last() -> None:
    figure = bar_figure([0.2, np.nan, 0.9], ["a", "b", "c"], heading="h", unit="IoU", reference=0.55)

    said = words(figure)
    assert [t for t in said if t in "abc"] == ["c", "a", "b"]
    assert [t.get_text() for t in figure.axes[0].texts] == ["0.9", "0.2", "absent"]
    assert "mean 0.55" in said
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.9, 0.2]


@pytest.mark.slow
@pytest.mark.parametrize("values", [[1.0], [np.nan], [0.0] * 3, [-2.0, 3.0], [-1.0], np.arange(100) - 20.0])
@pytest.mark.parametrize("reference", [None, -1.0, 0.5, np.nan])
def test_no_word_of_bars_leaves_the_figure(values, reference) -> None:
    labels = [LONG] * len(values)

    assert_inside(bar_figure(values, labels, heading=LONG, unit=LONG, reference=reference))


@pytest.mark.parametrize(
    ("values", "labels", "argument"), [([], [], "values"), ([1.0], [], "labels"), ([[1.0]], ["a"], "values")]
)
def test_an_error_of_bars_names_the_argument(values, labels, argument) -> None:
    with pytest.raises(ViewError, match=f"^{argument}"):
        bar_figure(values, labels, heading="h", unit="u")
