"""Lines round boxes, and where figures have them."""

import numpy as np
import pytest
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.queries import places_of
from interp.views import three_panel
from interp.views.boxed import boxed

ORANGE = (230, 159, 0)


def orange(picture):
    return (np.asarray(picture) == ORANGE).all(-1)


def test_the_inside_stays_and_the_line_is_round_it():
    drawn = boxed(Image.new("RGB", (60, 50), "white"), [(10.2, 20.0, 30.4, 41.0)])
    array = np.asarray(drawn)
    assert (array[20:41, 10:30] == 255).all()
    ring = np.zeros((50, 60), bool)
    ring[19:42, 9:31] = True
    ring[20:41, 10:30] = False
    assert (orange(drawn) == ring).all()
    assert (array[18, 8:32] == 0).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_new_picture_of_any_mode(mode):
    picture = Image.new(mode, (40, 40))
    before = picture.tobytes()
    drawn = boxed(picture, [(5, 5, 20, 20), (18, 18, 30, 30)])
    assert (drawn.mode, drawn.size) == ("RGB", (40, 40))
    assert picture.tobytes() == before
    assert boxed(picture, []).tobytes() == picture.convert("RGB").tobytes()


@pytest.mark.parametrize(
    "box", [(20, 20, 20, 20), (0, 0, 0.4, 0.4), (39.9, 39.9, 40, 40), (-9, -9, 60, 60), (-20, 3, -10, 9)]
)
def test_pixels_borders_and_boxes_outside(box):
    drawn = boxed(Image.new("RGB", (40, 40), "white"), [box])
    assert drawn.size == (40, 40)
    if box == (20, 20, 20, 20):
        rows, columns = np.nonzero(orange(drawn))
        assert columns.max() - columns.min() == rows.max() - rows.min() == 8


def test_panels_have_lines_on_the_picture_and_the_overlay_but_not_on_the_map():
    picture = Image.new("RGB", (90, 60), "white")
    plain = np.asarray(three_panel(picture, np.eye(4), title=""))
    lined = np.asarray(three_panel(picture, np.eye(4), title="", outlines=[(20, 20, 50, 40)]))
    columns = np.nonzero((plain != lined).any((0, 2)))[0]
    assert len(np.split(columns, np.nonzero(np.diff(columns) > 100)[0] + 1)) == 2


def test_explanations_outline_what_was_asked_where_it_lies_in_the_picture():
    """The network sees the middle square of a picture of 90 × 60, and is asked for a quarter of that."""
    prepared = interp.Preprocess((12, 12), (0.5,) * 3, (0.5,) * 3)
    net = nn.Conv2d(3, 3, 3, padding=1)
    model = interp.load(net, preprocess=prepared, task="image", activation="none")
    found = interp.explain(model, Image.new("RGB", (90, 60), "navy"), targets.value((0.5, 0, 1, 0.5)), "lam")
    assert found._asked == [(45, 0, 75, 30)]
    lines = orange(found.panel(height=60 * 4))
    assert lines.any()
    assert not orange(interp.explain(model, found.picture, targets.value(), "lam").panel(height=240)).any()
    assert found.show().axes


def test_places_of_targets():
    box, pixel = targets.value((0.1, 0.2, 0.5, 0.6)), targets.gradient_energy((0.1, 0.1, 0.2, 0.2))
    assert places_of(box) == ((0.1, 0.2, 0.5, 0.6),)
    assert places_of(targets.SumTarget.of((1, box), (-1, pixel), (2, box))) == (
        (0.1, 0.2, 0.5, 0.6),
        (0.1, 0.1, 0.2, 0.2),
    )
    assert places_of(targets.value()) == ()
    assert places_of(targets.LogitTarget(((1, 1.0),), "one")) == ()
