"""Averages through the stages and over the pictures of a class."""

import numpy as np
import pytest
import torch
from networks import Classifier, UNet, footprint, seeded
from PIL import Image
from torch import nn

import interp
from interp.features.activations import activation_of
from interp.features.averages import class_averages, strip_of
from interp.features.errors import FeatureError
from interp.images import Preprocess

HALF = (0.5,) * 3


def pictures(count):
    pixels = np.random.default_rng(6).integers(0, 256, (count, 40, 32, 3), dtype=np.uint8)
    return [Image.fromarray(one) for one in pixels]


@pytest.fixture(scope="module")
def unet():
    return interp.load(seeded(UNet)(), preprocess=Preprocess((32, 24), HALF, HALF), task="segmentation")


@pytest.mark.parametrize("average", ["mean", "abs", "l2"])
def test_a_strip_has_the_average_of_every_stage(unet, average):
    before = footprint(unet.module)
    picture = pictures(1)[0]
    strip = strip_of(unet, picture, average=average)
    assert strip.layers == unet.layers.stages
    assert len(strip.layers) == 5
    for layer, shape, map in zip(strip.layers, strip.shapes, strip.maps, strict=True):
        alone = activation_of(unet, picture, layer)
        assert tuple(alone.values.shape) == shape
        torch.testing.assert_close(map, alone.average(average))
    assert strip.view.size == (24, 32)
    assert footprint(unet.module) == before


def test_a_strip_of_named_layers_and_of_a_network_without_stages(unet):
    assert strip_of(unet, pictures(1)[0], ["up1", "down1.0"]).layers == ("up1", "down1.0")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    model = interp.load(flat, preprocess=Preprocess((8, 8), HALF, HALF), name="flat")
    with pytest.raises(FeatureError, match="flat has no stages"):
        strip_of(model, pictures(1)[0])


def test_class_averages_equal_the_mean_of_stacked_activations_for_any_batch_size():
    model = interp.load(seeded(Classifier)(), preprocess=Preprocess((32, 32), HALF, HALF))
    given, classes = pictures(7), ["dog", "cat", "dog", "bird", "cat", "dog", "dog"]
    alone = [activation_of(model, picture, "bn") for picture in given]
    for batch_size in (1, 3, 16):
        found = class_averages(model, given, classes, "bn", average="l2", batch_size=batch_size)
        assert [(one.name, one.count) for one in found] == [("dog", 4), ("cat", 2), ("bird", 1)]
        for one in found:
            own = [a for a, name in zip(alone, classes, strict=True) if name == one.name]
            torch.testing.assert_close(one.values, torch.stack([a.values for a in own]).mean(0))
            torch.testing.assert_close(one.map, torch.stack([a.average("l2") for a in own]).mean(0))


def test_classes_must_be_as_many_as_pictures():
    model = interp.load(seeded(Classifier)(), preprocess=Preprocess((32, 32), HALF, HALF))
    with pytest.raises(FeatureError, match="1 classes for 2 pictures"):
        class_averages(model, pictures(2), ["cat"])
    with pytest.raises(FeatureError, match="batch_size=-1"):
        class_averages(model, pictures(2), ["cat", "cat"], batch_size=-1)
    assert class_averages(model, [], []) == []
