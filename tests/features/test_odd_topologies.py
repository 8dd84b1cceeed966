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


class FiveLevels(nn.Module):
    """Every side is halved four times; odd ones are padded on the way up."""

    def __init__(self):
        super().__init__()
        self.downs = nn.ModuleList([conv(1, 4), conv(4, 6), conv(6, 6), conv(6, 6)])
        self.bottom = conv(6, 6)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(6, 6, 2, 2) for _ in range(4)])
        self.joins = nn.ModuleList([conv(12, 6), conv(12, 6), conv(12, 6), conv(10, 6)])
        self.logits = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        skips = []
        for down in self.downs:
            skips.append(down(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottom(x)
        for up, join, skip in zip(self.ups, self.joins, reversed(skips), strict=True):
            x = up(x)
            high, wide = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
            x = join(torch.cat([skip, F.pad(x, (0, wide, 0, high))], 1))
        return self.logits(x)


def is_whole(size):
    levels = levels_of(model_of(FiveLevels(), size, 1))
    assert levels.bottleneck == "bottom"
    halved = [(size[0] >> level, size[1] >> level) for level in range(4)]
    assert [row.size for row in levels.rows] == halved
    assert [row.encoder for row in levels.rows] == [f"downs.{i}" for i in range(4)]
    assert [row.decoder for row in levels.rows] == [f"joins.{3 - i}" for i in range(4)]
    assert all(row.skip for row in levels.rows)


@pytest.mark.parametrize("size", [(16, 16), (24, 24), (28, 28)])
def test_a_bottleneck_of_one_position_is_one(size):
    is_whole(size)
    model = model_of(FiveLevels(), size, 1)
    assert model.default_layer == "downs.3"  # the last that has something to be seen


class Squeezed(ThreeLevels):
    """What is pooled over all positions weighs the channels of the bottleneck."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 8, 1), nn.ReLU())
        self.excite = nn.Sequential(nn.Conv2d(8, 32, 1), nn.Sigmoid())

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        low = self.bottom(self.pool(two))
        low = low * self.excite(self.squeeze(low))
        low = low + self.excite[0](self.squeeze[1](low.mean((2, 3), keepdim=True)))
        y2 = self.join2(self.joined(self.up2(low), two))
        return self.logits(self.join1(self.joined(self.up1(y2), one)))


def test_what_is_pooled_over_all_positions_is_no_bottleneck():
    model = model_of(Squeezed())
    assert rows_of(model) == THREE
    assert levels_of(model).bottleneck == model.default_layer == "bottom"


@pytest.mark.parametrize("size", [(30, 400), (400, 30), (100, 30), (17, 40)])
def test_narrow_pictures(size):
    is_whole(size)
