"""The U-shaped figure."""

import numpy as np
import pytest
from figure_words import assert_inside, words
from matplotlib import colormaps
from matplotlib.collections import PatchCollection
from matplotlib.patches import FancyArrowPatch
from PIL import Image

from interp.views import UBox, ULevel, ViewError, u_figure


def box(name, channels, height, width, low=0.0):
    values = np.linspace(low, 1.0, height * width, dtype=np.float32).reshape(height, width)
    return UBox(name, (channels, height, width), values)


def levels():
    return [
        ULevel(None, box("layers.11", 39, 12, 16), True),
        ULevel(box("layers.0.blocks_0.a.very.long.name", 16, 6, 8), box("layers.7", 36, 6, 8), True),
        ULevel(box("down", 24, 3, 4), box("up", 36, 3, 4), False),
    ]


def arrows(figure):
    """Starts and ends, in fractions of the page from its lower left corner."""
    return [arrow._posA_posB for arrow in figure.findobj(FancyArrowPatch)]


def test_every_box_has_its_name_and_size_and_arrows_join_them():
    figure = u_figure(Image.new("RGB", (160, 120)), levels(), box("bottom", 64, 2, 2), heading="streets")
    assert_inside(figure)
    said = words(figure)
    for each in [
        "streets",
        "picture",
        "120 × 160",
        "39 × 12 × 16",
        "64 × 2 × 2",
        "…_0.a.very.long.name",
        "skip",
    ]:
        assert each in said
    # Down: picture, 16, 24, bottom; up: bottom, 36, 36, 39; two skips.
    found = arrows(figure)
    assert len(found) == 3 + 3 + 2
    across = [(a, b) for a, b in found if a[1] == b[1]]
    assert len(across) == 2
    assert all(a[0] < 0.5 < b[0] for a, b in across)
    assert sum(b[1] < a[1] for a, b in found) == 3
    assert len(figure.axes) == 1 + 5 + 1


def test_without_words_there_are_only_names_and_numbers():
    zeros = UBox("flat", (3, 4, 4), np.zeros((4, 4), np.float32))
    rows = [*levels()[:2], ULevel(zeros, None)]
    figure = u_figure(Image.new("RGB", (160, 120)), rows, box("bottom", 64, 2, 2), words=False)
    assert_inside(figure)
    said = words(figure)
    for each in ("picture", "skip", "scale", "all"):
        assert each not in said
    for each in ("flat", "120 × 160", "64 × 2 × 2", "0 … 1"):
        assert each in said


def test_the_picture_has_a_row_of_its_own_where_the_encoder_keeps_its_size():
    rows = [ULevel(box("down", 4, 8, 8), box("up", 4, 8, 8), True)]
    small = u_figure(Image.new("RGB", (80, 80)), rows, box("bottom", 8, 4, 4))
    assert len(small.axes) == 4
    assert sum(a[1] == b[1] for a, b in arrows(small)) == 1


def test_the_map_is_drawn_cell_by_cell_or_over_the_picture():
    rows = [ULevel(box("down", 4, 2, 2), None)]
    cells = (
        u_figure(Image.new("RGB", (80, 80), "red"), rows, box("bottom", 8, 1, 2))
        .axes[1]
        .images[0]
        .get_array()
    )
    assert len(np.unique(cells.reshape(-1, 3), axis=0)) == 4
    over = u_figure(Image.new("RGB", (80, 80), "red"), rows, box("bottom", 8, 1, 2), over=True)
    red = over.axes[1].images[0].get_array()
    assert len(np.unique(red.reshape(-1, 3), axis=0)) > 4
    assert red[..., 0].mean() > red[..., 2].mean()


@pytest.mark.parametrize(
    ("display", "sentence"), [("positive", "no positive evidence"), ("signed", "±1"), ("range", "−1 … −0.5")]
)
def test_the_range_of_every_map_is_said(display, sentence):
    values = np.array([[-1.0, -0.5]], np.float32)
    rows = [ULevel(box("down", 4, 2, 2), None)]
    said = words(u_figure(Image.new("RGB", (8, 8)), rows, UBox("bottom", (1, 1, 2), values), display=display))
    assert sentence in said


@pytest.mark.parametrize("size", [(10, 100), (100, 10), (640, 480)])
def test_words_stay_on_the_page_for_pictures_of_any_shape(size):
    assert_inside(u_figure(Image.new("RGB", size), levels(), box("bottom", 64, 2, 2)))


def test_empty_levels_are_refused():
    picture, bottom = Image.new("RGB", (8, 8)), box("bottom", 8, 1, 2)
    with pytest.raises(ViewError, match="at least one"):
        u_figure(picture, [], bottom)
    with pytest.raises(ViewError, match="an encoder or a decoder"):
        u_figure(picture, [*levels(), ULevel(None, None)], bottom)


def test_shares_notes_and_up_sampling_are_said_and_thick_arrows_are_large_shares():
    rows = [
        ULevel(None, box("up3", 4, 8, 8), True, 0.1, "zeroed: IoU −0.25", "bilinear"),
        ULevel(box("down2", 4, 4, 4), box("up2", 4, 4, 4), True, 0.9, up="transposed convolution"),
        ULevel(box("down1", 4, 2, 2), box("up1", 4, 2, 2), True, up="pixel shuffle with ICNR"),
    ]
    figure = u_figure(Image.new("RGB", (80, 60)), rows, box("bottom", 8, 1, 2), legend="skips: their part")
    assert_inside(figure)
    said = words(figure)
    for each in ("skip 10 %", "skip 90 %", "zeroed: IoU −0.25", "bilinear", "transposed convolution"):
        assert each in said
    assert "pixel shuffle with ICNR" in " ".join(said)
    assert "skips: their part" in said
    found = [a for a in figure.findobj(FancyArrowPatch) if a._posA_posB[0][1] == a._posA_posB[1][1]]
    thin, thick, plain = (arrow.get_linewidth() for arrow in found)
    assert thin < thick
    assert plain < thick
    quiet = words(u_figure(Image.new("RGB", (80, 60)), rows, box("bottom", 8, 1, 2), words=False))
    assert "10 %" in quiet
    assert not {"bilinear", "zeroed: IoU −0.25", "skip 10 %"} & set(quiet)


def test_every_map_has_the_colours_of_its_scale_below_it():
    flat = UBox("flat", (3, 4, 4), np.zeros((4, 4), np.float32))
    rows = [ULevel(box("down", 4, 2, 2), None), ULevel(flat, None)]
    figure = u_figure(Image.new("RGB", (80, 80)), rows, box("bottom", 8, 1, 2), colormap="viridis")
    strips = figure.findobj(PatchCollection)
    assert len(strips) == 2  # none for what is the same everywhere
    for strip in strips:
        assert np.allclose(strip.get_facecolors()[[0, -1]], colormaps["viridis"]([0.0, 1.0]))
