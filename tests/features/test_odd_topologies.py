"""Networks whose U is easily misread: as many classes as channels, a last grid of one position, gates."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import interp
from interp.features import levels_of


def conv(before, after):
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True))


class ThreeLevels(nn.Module):
    """8, 16 and 32 channels."""

    def __init__(self, classes=3):
        super().__init__()
        self.down1, self.down2, self.bottom = conv(3, 8), conv(8, 16), conv(16, 32)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.up1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.join2, self.join1 = conv(32, 16), conv(16, 8)
        self.logits = nn.Conv2d(8, classes, 1)

    def joined(self, up, skip):
        return torch.cat([up, skip], 1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        y2 = self.join2(self.joined(self.up2(self.bottom(self.pool(two))), two))
        return self.logits(self.join1(self.joined(self.up1(y2), one)))


def model_of(net, size=(32, 48), channels=3, **options):
    prepare = interp.Preprocess(size, (0.5,) * channels, (0.5,) * channels, fit="squish")
    return interp.load(net, preprocess=prepare, task="segmentation", name="odd", **options)


def rows_of(model):
    return [(row.size, row.encoder, row.decoder, row.skip) for row in levels_of(model).rows]


THREE = [((32, 48), "down1", "join1", True), ((16, 24), "down2", "join2", True)]


@pytest.mark.parametrize("classes", [3, 8, 16, 32])
def test_a_level_with_as_many_channels_as_classes_is_one(classes):
    model = model_of(ThreeLevels(classes))
    assert rows_of(model) == THREE
    assert levels_of(model).bottleneck == "bottom"


class Bare(ThreeLevels):
    """Convolutions alone are modules, activations are not."""

    def __init__(self):
        super().__init__(8)
        self.join1 = nn.Conv2d(16, 8, 3, padding=1)

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        y2 = self.join2(self.joined(self.up2(self.bottom(self.pool(two))), two))
        return self.logits(F.relu(self.join1(self.joined(self.up1(y2), one))))


def test_the_last_convolution_before_an_activation_is_no_score():
    assert rows_of(model_of(Bare())) == THREE


class Scores(nn.Module):
    """Scores of a coarse grid are made larger by a convolution of their own, as in an FCN-8s."""

    def __init__(self):
        super().__init__()
        self.one, self.two = conv(3, 8), conv(8, 16)
        self.score1, self.score2 = nn.Conv2d(8, 5, 1), nn.Conv2d(16, 5, 1)
        self.larger, self.largest = nn.ConvTranspose2d(5, 5, 2, 2), nn.ConvTranspose2d(5, 5, 2, 2)

    def forward(self, x):
        one = self.one(F.max_pool2d(x, 2))
        coarse = self.score2(self.two(F.max_pool2d(one, 2)))
        return self.largest(self.larger(coarse) + self.score1(one))


def test_scores_that_are_only_made_larger_are_no_features():
    model = model_of(Scores())
    assert model.layers.stages == ("one", "two")
    assert model.default_layer == "two"
