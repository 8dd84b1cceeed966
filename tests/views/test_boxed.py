"""Lines round boxes, and where figures have them."""

import numpy as np
import pytest
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.context import regions_of
from interp.queries import places_of
from interp.views import three_panel
from interp.views.boxed import boxed, traced

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


def test_the_line_round_a_region_leaves_it_free_and_lies_where_the_network_saw_it():
    """A ring on 4 × 4 positions, over the right half of a picture of 80 × 40: ten pixels each."""
    region = np.ones((4, 4), bool)
    region[1:3, 1:3] = False
    drawn = traced(Image.new("RGB", (80, 40), "white"), [region], (40, 0, 80, 40))
    inside = np.zeros((40, 80), bool)
    inside[:, 40:] = True
    inside[10:30, 50:70] = False
    assert (np.asarray(drawn)[inside] == 255).all()
    ring = np.zeros((40, 80), bool)
    ring[:, 39] = True
    ring[10:30, 50:70] = True
    ring[11:29, 51:69] = False
    assert (orange(drawn) == ring).all()


@pytest.mark.parametrize("at", [(0, 0), (63, 63), (20, 41)])
def test_one_position_of_many_is_seen_on_a_picture_of_few_pixels(at):
    region = np.zeros((64, 64), bool)
    region[at] = True
    rows, columns = np.nonzero(orange(traced(Image.new("RGB", (30, 30), "white"), [region])))
    assert max(np.ptp(rows), np.ptp(columns)) >= 4


def test_no_region_no_position_and_all_of_them_draw_no_line():
    picture = Image.new("RGB", (30, 20), "white")
    for regions in ([], [np.zeros((4, 4), bool)], [np.ones((4, 4), bool)]):
        assert traced(picture, regions).tobytes() == picture.tobytes()
    assert not orange(traced(picture, [np.ones((4, 4), bool)], (-90, 0, -60, 20))).any()


def segmenter():
    """Three classes of 12 × 12 positions; the first one is predicted on the left."""
    prepared = interp.Preprocess((12, 12), (0.5,) * 3, (0.5,) * 3, fit="squish")
    net = nn.Conv2d(3, 3, 1)
    nn.init.zeros_(net.bias)
    nn.init.zeros_(net.weight)
    net.weight.data[0, 0], net.weight.data[1, 0] = 1.0, -1.0
    return interp.load(net, preprocess=prepared, task="segmentation", labels=["sky", "car", "bus"])


MASK = np.eye(12) > 0


@pytest.mark.parametrize(
    "target",
    [
        targets.where_predicted("sky"),
        targets.component("sky", at=(0.1, 0.5)),
        targets.polygon([(0.1, 0.1), (0.6, 0.1), (0.1, 0.6)]),
        targets.over("car", MASK),
        targets.border(targets.where_predicted("sky"), "outer", 1),
        targets.negative(targets.over("car", MASK)),
        targets.where_true("car", MASK.astype(int)),
        targets.where_wrong("car", MASK.astype(int), "missed"),
    ],
)
def test_explanations_outline_regions_of_any_shape(target):
    picture = Image.new("RGB", (60, 60), "navy")
    picture.paste((255, 0, 0), (0, 0, 30, 60))
    found = interp.explain(segmenter(), picture, target, "input-x-gradient")
    assert orange(found.panel(height=240)).sum() > 40
    panels = [axes.get_images()[0].get_array() for axes in found.show().axes[:3]]
    assert [orange(panel[..., :3]).any() for panel in panels] == [True, False, True]


def test_a_contrast_of_two_regions_has_both_lines_and_a_pixel_keeps_its_box():
    region, pixel = targets.over("car", MASK), targets.pixel(0.9, 0.1, "sky")
    model, picture = segmenter(), Image.new("RGB", (60, 60), "navy")
    found = interp.explain(model, picture, targets.contrast(region, pixel), "input-x-gradient")
    assert len(found._asked) == 1
    assert [each.tolist() for each in regions_of(found.target)] == [MASK.tolist()]
    same = interp.explain(
        model, picture, targets.contrast(region, targets.over("sky", MASK)), "input-x-gradient"
    )
    assert len(regions_of(same.target)) == 1
