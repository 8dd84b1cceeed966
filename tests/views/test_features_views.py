"""Figures of channels, stages, filters and kernels: what is drawn, what is written, what is refused."""

import numpy as np
import pytest
from figure_words import assert_inside, words
from PIL import Image

from interp.views import ViewError, channels_figure, filters_figure, kernel_figure, strip_figure, table
from interp.views.channels import said_range
from interp.views.scale import Scale

RANDOM = np.random.default_rng(0)
PICTURE = Image.fromarray(RANDOM.integers(0, 256, (40, 60, 3), dtype=np.uint8))


def drawn(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 2, 5, 24, 60])
def test_every_channel_has_a_cell_a_label_and_a_range(count):
    maps = [RANDOM.random((4, 6)) + index for index in range(count)]
    figure = channels_figure(PICTURE, maps, labels=[f"#{index}" for index in range(count)], heading="layer")
    assert len(drawn(figure)) == count + 1
    said = words(figure)
    for index, map in enumerate(maps):
        assert f"#{index}" in said
        assert Scale.of(map).text in said
    assert_inside(figure)


def test_a_cell_of_the_map_is_a_pixel_of_its_colour():
    map = np.array([[0.0, 1.0, 4.0]])
    _, cell = drawn(channels_figure(PICTURE, [map], labels=["a"]))
    colours = table("magma")
    assert cell.tolist() == [[colours[0].tolist(), colours[64].tolist(), colours[255].tolist()]]


def test_signed_maps_have_white_zeros_and_symmetric_words():
    figure = channels_figure(None, [np.array([[-1.0, 0.0, 2.0]])], labels=["a"], display="signed")
    (cell,) = drawn(figure)
    assert cell[0, 1].tolist() == table("RdBu_r")[127].tolist()
    assert "±2" in words(figure)


def test_on_one_scale_equal_values_have_equal_colours_and_a_bar_says_which():
    maps = [np.array([[0.0, 1.0]]), np.array([[1.0, 3.0]])]
    figure = channels_figure(None, maps, labels=["a", "b"], shared=True)
    first, second, bar = drawn(figure)
    assert first[0, 1].tolist() == second[0, 0].tolist()
    assert bar.shape[1] > bar.shape[0]
    assert "all on one scale" in words(figure)
    own = drawn(channels_figure(None, maps, labels=["a", "b"]))
    assert own[0][0, 1].tolist() != own[1][0, 0].tolist()


def test_maps_with_nothing_to_draw_say_so():
    maps = [np.zeros((2, 2)), np.full((2, 2), -1.0), np.array([[np.nan, 1.0]])]
    for shared in (False, True):
        figure = channels_figure(PICTURE, maps, labels=["a", "b", "c"], shared=shared)
        assert {"all 0", "all −1", "not finite"} <= set(words(figure))
    assert said_range(Scale.of([[-1.0, -2.0]])) == "no positive evidence"


def test_over_the_picture_the_cells_have_its_size():
    figure = channels_figure(PICTURE, [RANDOM.random((2, 3))], labels=["a"], over=True)
    assert [cell.shape for cell in drawn(figure)] == [(40, 60, 3)] * 2
    with pytest.raises(ViewError, match="over: give a picture"):
        channels_figure(None, [[[1.0]]], labels=["a"], over=True)


def test_channels_that_do_not_agree_are_refused():
    with pytest.raises(ViewError, match="maps: give at least one"):
        channels_figure(PICTURE, [], labels=[])
    with pytest.raises(ViewError, match="labels: 2 given for 1 maps"):
        channels_figure(PICTURE, [[[1.0]]], labels=["a", "b"])


@pytest.mark.parametrize("count", [1, 5, 6, 7, 13])
def test_a_strip_has_a_map_for_each_stage_with_name_and_shape(count):
    layers = [f"encoder.of.a.network.with.long.names.{index}" for index in range(count)]
    shapes = [(2**index, 9, 9) for index in range(count)]
    figure = strip_figure(
        PICTURE, [RANDOM.random((9, 9))] * count, layers=layers, shapes=shapes, title="mean"
    )
    assert len(drawn(figure)) == count + 1
    said = " ".join(words(figure))
    for index, (channels, *_) in enumerate(shapes):
        assert f"names.{index}" in said
        assert f"{channels} × 9 × 9" in said
    width, height = figure.get_size_inches()
    assert width <= 13
    assert height < width
    assert_inside(figure)


def test_a_strip_with_a_negative_map_is_signed_and_wrong_counts_are_refused():
    maps = [np.ones((2, 2)) * [1, 2], np.ones((2, 2)) * [-1, 2]]
    shapes = [(1, 2, 2), (1, 2, 2)]
    assert words(strip_figure(PICTURE, maps, layers=["a", "b"], shapes=shapes)).count("±2") == 2
    with pytest.raises(ViewError, match="layers: 1 given for 2 maps"):
        strip_figure(PICTURE, maps, layers=["a"], shapes=shapes)
    with pytest.raises(ViewError, match="shapes: 1 given for 2 maps"):
        strip_figure(PICTURE, maps, layers=["a", "b"], shapes=shapes[:1])
    with pytest.raises(ViewError, match="maps: give at least one"):
        strip_figure(PICTURE, [], layers=[], shapes=[])


def test_filters_share_one_scale_around_mid_grey():
    kernels = np.zeros((2, 3, 1, 2))
    kernels[0, 0] = 2.0, -2.0
    kernels[1, 1] = 1.0, 0.0
    figure = filters_figure(kernels, labels=["#0", "#1"], captions=["0°", "90°"], title="conv1")
    first, second = drawn(figure)
    assert first.tolist() == [[[255, 128, 128], [0, 128, 128]]]
    assert second.tolist() == [[[128, 191, 128], [128, 128, 128]]]
    said = words(figure)
    assert {"#0", "#1", "0°", "90°", "conv1"} <= set(said)
    assert any("±2" in line and "mid-grey is 0" in line for line in said)
    assert_inside(figure)


def test_grey_filters_are_blue_to_red_with_white_zeros():
    kernels = np.array([[[[-1.0, 0.0]]], [[[0.5, 1.0]]]])
    first, second = drawn(filters_figure(kernels, labels=["a", "b"]))
    colours = table("RdBu_r")
    assert first[0].tolist() == [colours[0].tolist(), colours[127].tolist()]
    assert second[0, 1].tolist() == colours[255].tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_of_zeros_are_drawn(channels):
    cells = drawn(filters_figure(np.zeros((1, channels, 3, 3)), labels=["a"]))
    assert cells[0].std() < 1


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (3, 3, 3), (0, 3, 3, 3)])
def test_what_are_no_filters_is_refused(shape):
    with pytest.raises(ViewError, match="kernels: shape"):
        filters_figure(np.zeros(shape), labels=["a"] * shape[0])


def test_filters_that_do_not_agree_are_refused():
    with pytest.raises(ViewError, match="not finite"):
        filters_figure(np.full((1, 3, 3, 3), np.nan), labels=["a"])
    with pytest.raises(ViewError, match="labels: 1 given for 2"):
        filters_figure(np.zeros((2, 3, 3, 3)), labels=["a"])
    with pytest.raises(ViewError, match="captions: 1 given for 2"):
        filters_figure(np.zeros((2, 3, 3, 3)), labels=["a", "b"], captions=["a"])


def test_a_kernel_is_drawn_with_its_numbers_beside_the_result():
    kernel = np.arange(-4.0, 5.0).reshape(3, 3)
    result = RANDOM.normal(size=(40, 60))
    figure = kernel_figure(PICTURE, kernel, result, title="edges", caption="by hand", within=1.0)
    numbers = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert numbers == ["−4", "−3", "−2", "−1", "0", "1", "2", "3", "4"]
    assert {"edges", "by hand"} <= set(words(figure))
    assert_inside(figure)


def test_a_few_sharp_edges_do_not_leave_the_rest_pale_and_the_caption_says_so():
    result = RANDOM.normal(size=(100, 100))
    result[0, 0] = 1000
    said = words(kernel_figure(PICTURE, [[1.0]], result, title="t", caption="c"))
    caption = next(line for line in said if line.startswith("c; result"))
    assert "1000" in caption
    assert "99.5 %" in caption
    assert "1000" not in said  # the bar ends where the colours do
    mostly_nothing = np.zeros((100, 100))
    mostly_nothing[0, 0] = 5.0
    assert "5" in words(kernel_figure(PICTURE, [[1.0]], mostly_nothing, title="t"))


def test_large_kernels_have_no_numbers_and_flat_results_say_so():
    figure = kernel_figure(PICTURE, RANDOM.normal(size=(15, 15)), np.zeros((5, 5)), title="t")
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert len(said) == 1
    assert "flat map" in said[0]
    assert drawn(kernel_figure(PICTURE, np.zeros((3, 3)), np.zeros((5, 5)), title="t"))


def test_the_result_lies_where_the_centres_were():
    figure = kernel_figure(
        PICTURE, [[1.0] * 21], np.ones((40, 40)) * [*range(40)], title="t", box=(10, 0, 50, 40)
    )
    result = drawn(figure)[2]
    outside = result[:, : result.shape[1] // 8]
    assert (outside == outside[0, 0]).all()
    assert not (result == outside[0, 0]).all()


def test_what_is_no_kernel_is_refused():
    for kernel in ([1.0], [[np.inf]], [[]]):
        with pytest.raises(ViewError, match="kernel: shape"):
            kernel_figure(PICTURE, kernel, [[1.0]], title="t")
    with pytest.raises(ViewError, match="within 0"):
        kernel_figure(PICTURE, [[1.0]], [[1.0]], title="t", within=0)
    with pytest.raises(ViewError, match="height 1"):
        kernel_figure(PICTURE, [[1.0]], [[1.0]], title="t", height=1)
