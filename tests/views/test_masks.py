import numpy as np
import pytest
from figure_words import assert_inside, words

from interp.views import ViewError, class_colours, mask_over, mask_picture, segmentation_figure
from interp.views.class_colours import seen
from interp.views.masks import MISTAKE, VOID, mistakes_over

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
COLOURS = class_colours(3)
LONG = "a class <b>$x$</b> of many words " * 20


def test_the_first_colours_never_change_and_none_comes_twice() -> None:
    assert (class_colours(100)[:12] == class_colours(12)).all()
    assert len({tuple(colour) for colour in class_colours(512)}) == 512


def test_twelve_colours_are_far_apart_for_every_eye() -> None:
    apart = np.linalg.norm(np.diff(np.stack(np.meshgrid(range(12), range(12))), axis=0), axis=0) > 0
    for lab, least in zip(seen(class_colours(12)), (0.12, 0.06, 0.06), strict=True):
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[apart].min() > least


def test_grey_is_seen_as_grey_by_every_eye() -> None:
    assert np.abs(seen([[128, 128, 128]])[:, 0, 1:]).max() < 5e-3


@pytest.mark.parametrize("count", [0, -1, 513])
def test_an_impossible_number_of_colours_is_refused(count: int) -> None:
    with pytest.raises(ViewError, match=r"^count"):
        class_colours(count)


def test_each_class_has_its_colour_and_void_is_grey() -> None:
    mask = mask_picture([[0, 2], [255, 1]], COLOURS, void=255)

    assert mask.dtype == np.uint8
    assert mask.tolist() == [[COLOURS[0].tolist(), COLOURS[2].tolist()], [list(VOID), COLOURS[1].tolist()]]


def test_void_may_be_one_of_the_classes_or_negative() -> None:
    assert mask_picture([[1]], COLOURS, void=1)[0, 0].tolist() == list(VOID)
    assert mask_picture([[-1]], COLOURS, void=-1)[0, 0].tolist() == list(VOID)


def test_an_overlay_blends_and_leaves_void_alone() -> None:
    classes = np.zeros((6, 8), np.uint8)
    classes[0] = 255

    over = mask_over(PICTURE, classes, COLOURS, void=255, opacity=0.25)

    assert (over[0] == PICTURE[0]).all()
    wanted = 0.75 * PICTURE[1:] + 0.25 * COLOURS[0]
    assert np.abs(over[1:] - wanted).max() <= 0.5


def test_only_pixels_of_a_class_can_be_wrong() -> None:
    truth, said = np.zeros((6, 8), int), np.zeros((6, 8), int)
    said[2, 3], truth[4, 4], said[4, 4] = 1, 255, 1

    picture = mistakes_over(PICTURE, truth, said, void=255)

    wrong = (picture == MISTAKE).all(axis=-1)
    assert np.argwhere(wrong).tolist() == [[2, 3]]
    assert picture[4, 4].tolist() == list(VOID)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: mask_picture([[3]], COLOURS), "classes: has the number 3"),
        (lambda: mask_picture([[-1]], COLOURS, void=255), "classes: has the number -1"),
        (lambda: mask_picture([0], COLOURS), "classes"),
        (lambda: mask_picture([[0.0]], COLOURS), "classes"),
        (lambda: mask_picture([[0]], [1, 2, 3]), "colours"),
        (lambda: mask_picture([[0]], [[0, 0, 256]]), "colours"),
        (lambda: mask_over(PICTURE, [[0]], COLOURS), "classes"),
        (lambda: mask_over(PICTURE, [[0]], COLOURS, opacity=1.5), "opacity"),
        (lambda: mistakes_over(PICTURE, np.zeros((6, 8), int), [[0]]), "predicted"),
    ],
)
def test_an_error_of_a_mask_names_the_argument(call, argument) -> None:
    with pytest.raises(ViewError, match=f"^{argument}"):
        call()


def test_the_legend_has_only_what_occurs() -> None:
    truth, said = np.zeros((6, 8), int), np.zeros((6, 8), int)
    truth[0], said[1, :6] = 255, 2

    figure = segmentation_figure([PICTURE], [truth], [said], ["a", "b", "c"], void=255, scores=[0.5])

    assert words(figure)[4:] == ["IoU 0.5", "15 % of the pixels", "a", "c", "no class"]
    _, shown, predicted, wrong = (np.asarray(a.images[0].get_array()) for a in figure.axes[:4])
    assert (shown == mask_picture(truth, class_colours(3), void=255)).all()
    assert (predicted == mask_picture(said, class_colours(3), void=255)).all()
    assert (wrong == MISTAKE).all(axis=-1).sum() == 6


@pytest.mark.slow
@pytest.mark.parametrize("classes", [1, 37])
@pytest.mark.parametrize("name", ["x", LONG])
@pytest.mark.parametrize("shape", [(20, 20), (5, 200), (200, 5)])
def test_no_word_of_a_segmentation_leaves_the_figure(classes, name, shape) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    truth = np.arange(shape[0] * shape[1]).reshape(shape) % classes

    figure = segmentation_figure(
        [picture] * 2, [truth] * 2, [truth] * 2, [name] * classes, scores=[np.nan, 0.3], score_name=LONG
    )

    assert_inside(figure)


def test_a_truth_without_classes_says_so() -> None:
    nothing = np.full((6, 8), 255)

    figure = segmentation_figure([PICTURE], [nothing], [nothing], ["a"], void=255)

    assert "no pixel has a class" in words(figure)


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"pictures": []}, "pictures"),
        ({"truths": []}, "truths"),
        ({"predictions": [np.zeros((1, 1), int)]}, r"predictions\[0\]"),
        ({"predictions": [np.full((6, 8), 2)]}, r"predictions\[0\]: has the number 2"),
        ({"truths": [np.zeros((6, 8))]}, r"truths\[0\]"),
        ({"names": []}, "names"),
        ({"scores": []}, "scores"),
    ],
)
def test_an_error_of_a_segmentation_names_the_argument(change, argument) -> None:
    zeros = np.zeros((6, 8), int)
    given = {"pictures": [PICTURE], "truths": [zeros], "predictions": [zeros], "names": ["a", "b"]}

    with pytest.raises(ViewError, match=f"^{argument}"):
        segmentation_figure(**{**given, **change})
