import numpy as np
import pytest
from figure_words import assert_inside, words
from matplotlib.figure import Figure

from interp.views import TopLoss, ViewError, picture_grid, top_losses_figure

RANDOM = np.random.default_rng(0)
LONG = "predicted <b>$x$</b> terrier " * 20


def picture(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def boxes(figure: Figure) -> np.ndarray:
    """left, bottom, width, height of every picture, in points."""
    places = np.array([a.get_position().bounds for a in figure.axes if a.images])
    return places * np.tile(figure.get_size_inches() * 72, 2)


@pytest.mark.parametrize("shape", [(64, 64), (300, 100), (100, 300), (2000, 3000), (4, 3)])
def test_no_picture_is_distorted(shape: tuple[int, int]) -> None:
    figure = picture_grid([[picture(64, 80), picture(*shape), picture(64, 80)]])

    _, _, width, height = boxes(figure)[1]

    assert width / height == pytest.approx(shape[1] / shape[0], rel=1e-6)


def test_pictures_of_one_shape_line_up_in_rows_and_columns() -> None:
    rows = [[picture(60, 80) for _ in range(3)] for _ in range(2)]

    places = boxes(picture_grid(rows, titles=[["a", LONG, ""], ["", "", ""]]))

    assert len({tuple(size) for size in places[:, 2:].round(6)}) == 1
    assert len(set(places[:, 0].round(6))) == 3
    assert len(set(places[:, 1].round(6))) == 2


def test_small_pictures_keep_their_pixels_and_large_ones_are_smoothed() -> None:
    small, large = picture(32, 32), picture(900, 900)

    first, second = (a.images[0] for a in picture_grid([[small, large]]).axes)

    assert first.get_interpolation() == "nearest"
    assert (np.asarray(first.get_array()) == small).all()
    assert second.get_interpolation() == "antialiased"
    assert np.asarray(second.get_array()).shape[0] < 900


def test_a_mark_is_a_sign_as_well_as_a_colour() -> None:
    figure = picture_grid([[picture(9, 9)] * 3], titles=[["a", "b", "c"]], marks=[["right", "wrong", ""]])

    colours = {t.get_text(): t.get_color() for t in figure.texts if t.get_text()}

    assert list(colours) == ["✓ a", "✗ b", "c"]
    assert len(set(colours.values())) == 3


def test_empty_places_and_short_rows_stay_empty() -> None:
    figure = picture_grid([[picture(9, 9), None, picture(9, 9)], [picture(9, 9)], []])

    assert len(boxes(figure)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 3, 16])
@pytest.mark.parametrize("shape", [(64, 64), (5, 400), (400, 5)])
def test_no_word_of_a_grid_leaves_the_figure(columns: int, shape: tuple[int, int]) -> None:
    row = [picture(*shape) for _ in range(columns)]

    figure = picture_grid(
        [row, row],
        titles=[[LONG] * columns, ["two\nlines"] * columns],
        marks=[["wrong"] * columns] * 2,
        row_labels=[LONG, "b"],
        column_labels=[LONG] * columns,
        heading=LONG,
        note=LONG,
    )

    assert_inside(figure)


@pytest.mark.parametrize(
    ("rows", "more", "argument"),
    [
        ([], {}, "rows"),
        ([[None]], {}, "rows"),
        ([[np.zeros((4, 4), np.uint8)]], {}, r"rows\[0\]\[0\]"),
        ([[np.zeros((4, 4, 3))]], {}, r"rows\[0\]\[0\]"),
        ([[np.zeros((0, 4, 3), np.uint8)]], {}, r"rows\[0\]\[0\]"),
        ([[picture(4, 4)]], {"titles": []}, "titles"),
        ([[picture(4, 4)]], {"titles": [["a", "b"]]}, r"titles\[0\]"),
        ([[picture(4, 4)]], {"marks": [["good"]]}, r"marks\[0\]\[0\]"),
        ([[picture(4, 4)]], {"row_labels": ["a", "b"]}, "row_labels"),
        ([[picture(4, 4)]], {"column_labels": ["a", "b"]}, "column_labels"),
    ],
)
def test_an_error_of_a_grid_names_the_argument(rows, more, argument) -> None:
    with pytest.raises(ViewError, match=f"^{argument}"):
        picture_grid(rows, **more)


def test_a_top_loss_says_truth_prediction_and_loss() -> None:
    figure = top_losses_figure(
        [picture(9, 9)] * 2,
        [picture(9, 9), None],
        [TopLoss("Persian", "Bengal", 2.31, 0.87), TopLoss("pug", "pug", 0.7, 0.5)],
    )

    assert words(figure) == [
        "✗ actual Bengal · predicted Persian 0.87 · loss 2.31",
        "✓ actual pug · predicted pug 0.50 · loss 0.7",
    ]
    assert len(boxes(figure)) == 3


def test_long_names_give_way_and_the_loss_stays() -> None:
    figure = top_losses_figure([picture(9, 9)], [picture(9, 9)], [TopLoss(LONG, LONG, 12.3, 0.875)])

    assert words(figure)[-1].endswith("0.88 · loss 12.3")
    assert_inside(figure)


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_top_losses_of_odd_shapes_stay_on_the_page(count: int) -> None:
    shapes = [(5, 400), (400, 5), (64, 64)]
    pictures = [picture(*shapes[i % 3]) for i in range(count)]

    figure = top_losses_figure(pictures, pictures, [TopLoss("a", LONG, np.nan, np.nan)] * count)

    assert_inside(figure)
    places, page = boxes(figure), figure.get_size_inches() * 72
    assert (places[:, :2] >= 0).all()
    assert (places[:, :2] + places[:, 2:] <= page).all()


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        (([], [], []), "pictures"),
        (([picture(4, 4)], [], [TopLoss("a", "b", 1, 1)]), "overlays"),
        (([picture(4, 4)], [None], []), "captions"),
        (([picture(4, 4)], [np.zeros(3)], [TopLoss("a", "b", 1, 1)]), r"overlays\[0\]"),
    ],
)
def test_an_error_of_top_losses_names_the_argument(given, argument) -> None:
    with pytest.raises(ViewError, match=f"^{argument}"):
        top_losses_figure(*given)
