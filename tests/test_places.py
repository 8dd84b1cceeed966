"""Pixels and boxes as regions: their positions, scores, names, JSON, and places of the original picture."""

import itertools
import re

import numpy as np
import pytest
import torch
from networks import UNet, seeded
from PIL import Image

import interp
from interp import targets
from interp.explanation import ExplanationError
from interp.images import Preprocess
from interp.models import LabelError, Labels
from interp.places import PlaceError, checked, in_words, positions, seen
from interp.targets import TargetError, resolve

LABELS = Labels(("sky", "road", "car"))


@pytest.fixture
def logits():
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def segmenter(fit="squish"):
    prepare = Preprocess((16, 24), (0.5,) * 3, (0.5,) * 3, fit=fit)
    return interp.load(seeded(UNet)(), preprocess=prepare, labels=LABELS.names, task="segmentation")


def asked(query, logits):
    (target,) = resolve(query, logits, LABELS, "segmentation")
    return target


@pytest.mark.parametrize(
    ("place", "row", "column"),
    [((0.0, 0.0), 0, 0), ((0.24, 0.49), 2, 1), ((0.25, 0.5), 3, 2), ((1.0, 1.0), 5, 7), ((0.999, 0.1), 0, 7)],
)
def test_a_pixel_asks_for_the_logit_of_the_position_it_lies_in(logits, place, row, column):
    target = asked(targets.pixel(*place, "car"), logits)
    assert target(logits[None]).item() == logits[2, row, column].item()
    assert target.region.sum() == 1


def test_a_box_sums_the_logits_of_the_positions_whose_middles_it_covers(logits):
    target = asked(targets.box(0.25, 0.0, 0.8, 0.6, 1), logits)
    # Middles of columns: 0.0625 + j / 8, so 2 … 5; of rows 1/12 + i / 6, so 0 … 3.
    torch.testing.assert_close(target(logits[None])[0], logits[1, 0:4, 2:6].sum())
    assert int(target.region.sum()) == 16


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (1, 1), (13, 40)])
def test_boxes_side_by_side_share_no_position_and_miss_none(size):
    edges = [0.0, 0.21, 0.5, 0.77, 1.0]
    found = sum(positions((low, 0.0, high, 1.0), (40, 40)).int() for low, high in itertools.pairwise(edges))
    assert torch.equal(found, torch.ones(40, 40, dtype=torch.int32))
    assert positions((0.0, 0.0, 1.0, 1.0), size).all()
    assert positions((0.501, 0.501, 0.502, 0.502), size).sum() == 1


def test_without_a_class_the_one_predicted_there_is_asked(logits):
    classes = logits.argmax(0)
    for row, column in [(0, 0), (2, 5), (5, 7)]:
        found = asked(targets.pixel((column + 0.5) / 8, (row + 0.5) / 6), logits)
        assert found.index == classes[row, column]
    box = asked(targets.box(0.0, 0.0, 0.5, 1.0), logits)
    assert box.index == classes[:, :4].flatten().bincount().argmax()


def test_names_are_words(logits):
    assert asked(targets.pixel(0.31, 0.62, "car"), logits).name == "car at (0.31, 0.62)"
    name = asked(targets.box(0.0, 0.5, 1, 1, "road"), logits).name
    assert name == "road in the box (0.00, 0.50) – (1.00, 1.00)"
    assert in_words((0.5, 0.25)) == "at (0.50, 0.25)"


def test_the_region_is_frozen_its_gradient_is_one_inside_and_nothing_outside(logits):
    target = asked(targets.box(0.0, 0.0, 0.5, 0.5), logits)
    output = logits[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(target(output).sum(), output)
    assert torch.equal(gradient[0, target.index], target.region.float())
    assert gradient.sum() == target.region.sum()
    other = -logits[None]  # another prediction does not move the region
    torch.testing.assert_close(target(other)[0], other[0, target.index][target.region].sum())


def test_where_a_class_is_predicted_is_asked_by_name_and_refused_where_it_is_not(logits):
    classes = logits.argmax(0)
    found = asked(targets.where_predicted("car"), logits)
    assert torch.equal(found.region, classes == 2)
    assert asked(targets.where_predicted(), logits).index == classes.flatten().bincount().argmax()
    nothing = logits.clone()
    nothing[2] = -99
    with pytest.raises(PlaceError, match="car is predicted nowhere in the picture"):
        asked(targets.where_predicted("car"), nothing)


@pytest.mark.parametrize(
    "query", [targets.pixel(0.3, 0.3), targets.box(0, 0, 1, 1, 1), targets.where_predicted()]
)
def test_places_are_for_segmentations(query):
    with pytest.raises(TargetError, match="this one does classification"):
        resolve(query, torch.zeros(3), LABELS, "classification")
    with pytest.raises(TargetError, match="this one does image"):
        resolve(query, torch.zeros(3, 4, 4), LABELS, "image")


def test_wrong_places_and_classes_are_sentences(logits):
    for place in [(0.5,), (0.1, 1.2), (float("nan"), 0), (True, 0), "ab", (0.1, 0.2, 0.3), None, ("a", "b")]:
        with pytest.raises(PlaceError, match="from 0 to 1"):
            checked(place)
    with pytest.raises(PlaceError, match="left must be less than right"):
        targets.box(0.5, 0.1, 0.5, 0.9)
    with pytest.raises(LabelError, match="car"):
        asked(targets.pixel(0.5, 0.5, "cars"), logits)


@pytest.mark.parametrize(
    "query",
    [targets.pixel(0.31, 0.62), targets.pixel(0.31, 0.62, "sky"), targets.box(0.2, 0.1, 0.7, 0.9, "car")],
)
@pytest.mark.parametrize("method", ["grad-cam", "hires-cam"])
def test_an_explanation_of_a_place_is_made_again_byte_for_byte(query, method, photo):
    model = segmenter()
    found = interp.explain(model, photo, query, method, "up2")
    again = interp.remake(found.to_json(), model=model)
    assert torch.equal(again.map, found.map)
    assert (again.target.name, again.score) == (found.target.name, found.score)
    output = model.logits(model.prepare([photo]))
    assert found.score == pytest.approx(
        output[0, found.target.index][found.target.region].sum().item(), rel=1e-5
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [('"class": 2', '"class": 9'), ('"class": 2', '"class": "x"'), ('"place": [', '"place": [7, ')],
)
def test_a_broken_saved_place_is_a_sentence(photo, before, after):
    model = segmenter()
    text = interp.explain(model, photo, targets.pixel(0.5, 0.5, 2), layer="up2").to_json()
    assert before in text
    with pytest.raises(ExplanationError, match="cannot be made again"):
        interp.remake(text.replace(before, after), model=model)


def test_numpy_s_numbers_are_numbers():
    assert checked([np.float64(0.25), np.float32(0.5)]) == (0.25, 0.5)
    assert checked((np.int64(0), 1)) == (0.0, 1.0)
    with pytest.raises(PlaceError, match="from 0 to 1"):
        checked((np.float64(1.5), 0))


def test_a_picture_s_pixels_become_fractions_of_what_the_network_sees():
    size = (80, 60)
    squish = Preprocess((20, 20), (0.5,), (0.5,), fit="squish").box(size)
    assert seen((0, 59), size, squish) == (0.00625, 0.991667)
    assert seen((20, 0, 80, 30), size, squish) == (0.25, 0.0, 1.0, 0.5)
    crop = Preprocess((20, 20), (0.5,), (0.5,), fit="crop").box(size)
    assert seen((40, 30), size, crop) == (0.508333, 0.508333)
    assert seen((0, 0, 40, 30), size, crop) == (0.0, 0.0, 0.5, 0.5)


def test_every_pixel_of_a_picture_of_the_network_s_size_is_its_own_position():
    size = (24, 16)
    box = Preprocess((16, 24), (0.5,), (0.5,), fit="squish").box(size)
    for x in range(24):
        for y in range(16):
            region = positions(seen((x, y), size, box), (16, 24))
            assert region.nonzero().tolist() == [[y, x]]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ((5, 5), "outside what the network sees of the picture: 10,0,70,60"),
        ((0, 0, 10, 60), "outside what the network sees"),
        ((80, 5), "outside the picture of 80 × 60 pixels"),
        ((-1, 5), "outside the picture"),
        ((float("nan"), 5), "outside the picture"),
        ((0, 0, 90, 60), "outside the picture"),
        ((30, 20, 20, 40), "is empty"),
        ((1, 2, 3), "is none: give X,Y"),
    ],
)
def test_places_that_the_network_does_not_see_are_sentences(place, sentence):
    crop = Preprocess((20, 20), (0.5,), (0.5,), fit="crop").box((80, 60))
    with pytest.raises(PlaceError, match=re.escape(sentence)):
        seen(place, (80, 60), crop)
