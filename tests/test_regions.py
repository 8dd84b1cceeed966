"""Masks, polygons, components, borders and run lengths as arrays."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from interp.images import ImageError, Preprocess
from interp.places import PlaceError, positions
from interp.regions import (
    Seen,
    as_numbers,
    border,
    checked_points,
    component,
    fitted,
    from_runs,
    polygon_positions,
    seen_polygon,
    to_runs,
)


def seen(size=(60, 40), **options):
    settings = {"fit": "squish", **options}
    return Seen(Image.new("RGB", size), Preprocess((20, 20), (0.5,) * 3, (0.5,) * 3, **settings))


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 3, (40, 60))


@pytest.mark.parametrize(
    "given",
    [
        *(np.eye(3, dtype=bool), np.eye(3, dtype=np.uint8), torch.eye(3).bool(), torch.eye(3).long()),
        *(np.eye(3), np.eye(3, dtype=np.float16), torch.eye(3), torch.eye(3).bfloat16().requires_grad_()),
        [[True, False, False], [False, True, False], [False, False, True]],
    ],
)
def test_arrays_and_tensors_become_numbers(given):
    assert as_numbers(given, "the mask").tolist() == np.eye(3).tolist()


def test_a_palette_png_keeps_its_numbers(tmp_path):
    picture = Image.fromarray(np.array([[0, 2], [7, 0]], np.uint8)).convert("P")
    picture.putdata([0, 2, 7, 0])
    picture.save(tmp_path / "labels.png")
    assert as_numbers(tmp_path / "labels.png", "the mask").tolist() == [[0, 2], [7, 0]]
    Image.new("RGB", (2, 2)).save(tmp_path / "colours.png")
    with pytest.raises(ImageError, match="has colours"):
        as_numbers(str(tmp_path / "colours.png"), "the mask")


@pytest.mark.parametrize(
    "given",
    [
        *(np.eye(3) / 2, np.full((2, 2), np.nan), np.full((2, 2), 1e30), torch.eye(3) * 0.1),
        *([[1], [1, 0]], [[[1], [2]], [1, 2]], [np.eye(2), np.eye(3)], np.eye(3) * 1j, [["a", "b"]]),
        *(np.zeros((2, 2, 1), bool), 3, None, np.zeros((0, 4), bool), {1: 2}, []),
    ],
)
def test_what_is_no_mask_is_a_sentence(given):
    with pytest.raises(PlaceError, match="give bools or whole numbers"):
        as_numbers(given, "the mask")


def test_a_mask_of_the_output_s_size_stays(noise):
    assert fitted(noise, (40, 60), None, "the mask") is noise


def test_a_mask_of_the_picture_is_read_at_the_middle_of_each_position(noise):
    found = fitted(noise, (10, 20), seen(), "the mask")
    # Positions of 4 rows and 3 columns: their middles lie at row 4 i + 2, column 3 j + 1.
    assert np.array_equal(found, noise[2::4, 1::3])


def test_a_mask_of_the_picture_is_cut_as_the_network_cuts_the_picture(noise):
    found = fitted(noise, (40, 40), seen(fit="crop"), "the mask")
    assert np.array_equal(found, noise[:, 10:50])


def test_what_lies_beyond_the_picture_is_outside(noise):
    found = fitted(noise, (60, 60), seen(fit="pad"), "the mask", outside=-1)
    assert np.array_equal(found[10:50], noise)
    assert (found[:10] == -1).all()
    assert (found[50:] == -1).all()


def test_a_mask_of_any_other_size_says_which_would_do(noise):
    with pytest.raises(PlaceError, match=re.escape("the mask is of 60 × 40; give it")) as raised:
        fitted(noise, (10, 20), None, "the mask")
    assert "20 × 10." in str(raised.value)
    with pytest.raises(PlaceError, match="20 × 10 or 61 × 40"):
        fitted(noise, (10, 20), seen((61, 40)), "the mask")


def test_a_rectangle_as_a_polygon_is_the_box():
    for left, top, right, bottom in [(0.0, 0.0, 1.0, 1.0), (0.1, 0.3, 0.7, 0.8), (0.21, 0.0, 0.5, 0.51)]:
        points = ((left, top), (right, top), (right, bottom), (left, bottom))
        for turned in (points, points[::-1], points[2:] + points[:2]):
            found = polygon_positions(turned, (13, 17))
            assert np.array_equal(found, positions((left, top, right, bottom), (13, 17)).numpy())


def test_two_triangles_share_no_position_and_miss_none():
    upper = polygon_positions(((0.0, 0.0), (1.0, 0.0), (0.9, 1.0)), (37, 41))
    lower = polygon_positions(((0.0, 0.0), (0.9, 1.0), (0.0, 1.0)), (37, 41))
    rest = polygon_positions(((1.0, 0.0), (1.0, 1.0), (0.9, 1.0)), (37, 41))
    assert np.array_equal(upper.astype(int) + lower + rest, np.ones((37, 41), int))


def test_a_bow_has_two_halves_and_a_notch_is_not_inside():
    notched = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.1), (0.0, 1.0))
    found = polygon_positions(notched, (10, 10))
    assert found[0].all()
    assert not found[8, 3:7].any()


@pytest.mark.parametrize(
    "points", [[(0, 0), (1, 1)], [(0, 0), (1, 1), (2, 0)], "abc", [1, 2, 3], None, [(0, 0), (0, 1), ("a", 1)]]
)
def test_what_is_no_polygon(points):
    with pytest.raises(PlaceError, match="give three or more points"):
        checked_points(points)


@pytest.mark.parametrize("make", [np.array, torch.tensor, lambda p: [np.array(one) for one in p], list])
def test_corners_may_lie_in_arrays(make):
    points = [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)]
    assert checked_points(make(points)) == tuple(points)


def test_of_a_polygon_the_part_that_the_network_sees_is_taken():
    box = seen(fit="crop").box  # 10, 0, 50, 40 of 60 × 40
    corners = [(0, 0), (60, 0), (30, 40)]
    found = polygon_positions(seen_polygon(corners, (60, 40), box), (40, 40))
    whole = polygon_positions(tuple((x / 60, y / 40) for x, y in corners), (40, 60))
    assert np.array_equal(found, whole[:, 10:50])
    with pytest.raises(PlaceError, match="outside what the network sees of the picture: 10,0,50,40"):
        seen_polygon([(0, 0), (9, 0), (5, 30)], (60, 40), box)
    with pytest.raises(PlaceError, match="outside the picture of 60 × 40 pixels"):
        seen_polygon([(0, 0), (90, 0), (5, 30)], (60, 40), box)


def test_components_connect_over_corners_and_stay_apart_otherwise():
    region = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]], bool)
    assert component(region, 0, 0).sum() == 2
    assert component(region, 2, 3).sum() == 3
    assert not (component(region, 0, 0) & component(region, 0, 3)).any()


def test_borders_of_a_square_are_rings():
    region = np.zeros((20, 20), bool)
    region[5:15, 5:15] = True
    inner, outer = border(region, "inner", 3), border(region, "outer", 3)
    assert inner.sum() == 10**2 - 4**2
    assert outer.sum() == 16**2 - 10**2
    assert not (inner & ~region).any()
    assert not (outer & region).any()


def test_the_edge_of_the_picture_is_no_border():
    region = np.zeros((6, 9), bool)
    region[:, :4] = True
    assert border(region, "inner", 1).nonzero()[1].tolist() == [3] * 6
    assert border(region, "outer", 2).nonzero()[1].tolist() == [4, 5] * 6
    assert not border(np.ones((4, 4), bool), "inner").any()
    assert border(region, "inner", 10**9).sum() == 24


@pytest.mark.parametrize(("side", "width"), [("left", 3), ("inner", 0), ("outer", 1.5), ("outer", True)])
def test_what_is_no_border(side, width):
    with pytest.raises(PlaceError, match="is none: give"):
        border(np.eye(3, dtype=bool), side, width)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_run_lengths_give_the_region_again(share):
    region = np.random.default_rng(1).random((23, 31)) < share
    runs = to_runs(region)
    assert np.array_equal(from_runs(runs, (23, 31)), region)
    assert sum(runs) == region.size


@pytest.mark.parametrize("runs", [None, [3], [-1, 5], [1.0, 3], ["4"], [2, 3], [True, 3], {"a": 1}])
def test_broken_run_lengths(runs):
    with pytest.raises(PlaceError, match="the saved region is none of 2 × 2"):
        from_runs(runs, (2, 2))
