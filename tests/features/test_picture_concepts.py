"""Masks of pictures: plain things, and the classes of a segmentation."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp.features import FeatureError, segmented_by, simple_concepts
from interp.features.picture_concepts import HUES


def whole(colour):
    """Return the concepts that all of a picture of one colour has."""
    return {name for name, mask in simple_concepts(Image.new("RGB", (4, 3), colour)).items() if mask.all()}


def test_pictures_of_one_colour():
    assert whole("white") == {"bright", "grey", "flat"}
    assert whole("black") == {"dark", "grey", "flat"}
    assert whole((128, 128, 128)) == {"grey", "flat"}
    assert whole("red") == {"dark", "red", "flat"}
    pure = {name: whole(name) & set(HUES) for name in HUES}
    assert pure == {name: {name} for name in HUES}


@pytest.mark.parametrize(
    ("colour", "hue"), [((255, 0, 120), "red"), ((255, 0, 140), "magenta"), ((255, 120, 0), "red")]
)
def test_hues_are_sectors_around_the_pure_colours(colour, hue):
    assert whole(colour) & set(HUES) == {hue}


def test_an_edge_is_where_the_light_changes():
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:, 4:] = 255
    masks = simple_concepts(Image.fromarray(pixels))
    assert masks["edge"][:, 3:5].all()
    assert masks["edge"].sum() == 12
    assert (masks["flat"] == ~masks["edge"]).all()
    assert (masks["bright"] == (pixels[..., 0] > 0)).all()


def segmenter(classes, **preprocess):
    """Return a segmentation whose class is the brightest channel of its input."""
    network = nn.Conv2d(3, classes, 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.eye(3)[:classes, :, None, None])
    prepare = interp.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3, **preprocess)
    return interp.load(
        network.eval(), preprocess=prepare, task="segmentation", labels=["r", "g", "b"][:classes]
    )


def test_classes_lie_where_they_are_in_the_picture():
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :8, 0] = pixels[:, 8:12, 1] = pixels[:, 12:, 2] = 255
    masks = segmented_by(segmenter(3, fit="squish"))(Image.fromarray(pixels))
    assert all(masks[name].sum() == (pixels[..., i] > 0).sum() for i, name in enumerate("rgb"))
    assert masks["g"][:, 8:12].all()


def test_what_is_cut_off_has_no_class():
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[..., 1] = 255
    masks = segmented_by(segmenter(3))(Image.fromarray(pixels))
    assert masks["g"][:, 4:12].all()
    assert masks["g"].sum() == 64
    assert not masks["r"].any()


def test_one_logit_is_there_or_not():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:3, :, 0] = 255
    masks = segmented_by(segmenter(1))(Image.fromarray(pixels))
    assert list(masks) == ["r"]
    assert masks["r"][:3].all()
    assert masks["r"].sum() == 24


def test_a_classifier_gives_no_masks():
    network = interp.load(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    with pytest.raises(FeatureError, match="does classification and gives no masks"):
        segmented_by(network)
