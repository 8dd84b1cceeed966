"""Networks whose U is easily misread: as many classes as channels, a last grid of one position, gates."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import interp
from interp.features import levels_of, skips_of, upsamplings_of


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


class Gate(nn.Module):
    """The additive gate of Oktay et al. (2018), on a grid coarser than the skip, with a layer after it."""

    def __init__(self, channels):
        super().__init__()
        self.skip = nn.Conv2d(channels, 4, 2, 2, bias=False)
        self.below = nn.Conv2d(2 * channels, 4, 1)
        self.psi = nn.Conv2d(4, 1, 1)
        self.scale = nn.Parameter(torch.ones(1))
        self.after = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, skip, below):
        weights = torch.sigmoid(self.psi(F.relu(self.skip(skip) + self.below(below))))
        weights = self.scale * F.interpolate(weights, size=skip.shape[2:], mode="bilinear")
        return self.after(weights.expand_as(skip) * skip)


class Attention(ThreeLevels):
    """Its gates are told by what comes from below; `zeroed` skips are those of a level, for comparison."""

    zeroed = 0

    def __init__(self):
        super().__init__()
        self.gate2, self.gate1 = Gate(16), Gate(8)

    def gated(self, level, skip, below, up):
        found = getattr(self, f"gate{level}")(skip, below)
        return torch.zeros_like(found) if level == self.zeroed else found

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        low = self.bottom(self.pool(two))
        up2 = self.up2(low)
        y2 = self.join2(self.joined(up2, self.gated(2, two, low, up2)))
        up1 = self.up1(y2)
        return self.logits(self.join1(self.joined(up1, self.gated(1, one, y2, up1))))


class Concatenated(Attention):
    """Its gates concatenate both, too."""

    def __init__(self):
        super().__init__()
        self.gate2 = nn.Sequential(nn.Conv2d(32, 16, 1), nn.Sigmoid())
        self.gate1 = nn.Sequential(nn.Conv2d(16, 8, 1), nn.Sigmoid())

    def gated(self, level, skip, below, up):
        found = skip * getattr(self, f"gate{level}")(torch.cat([up, skip], 1))
        return torch.zeros_like(found) if level == self.zeroed else found


@pytest.mark.parametrize("build", [Attention, Concatenated])
def test_a_gated_skip_is_measured_where_the_decoder_takes_it_in(build):
    torch.manual_seed(0)
    net = build().eval()
    model = model_of(net, labels=["a", "b", "c"])
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    assert rows_of(model) == THREE
    found = skips_of(model, picture, interp.targets.box(0.3, 0.3, 0.7, 0.7, 0), ablate=["zero"])
    assert [(row.size, row.channels) for row in found.rows] == [((32, 48), (8, 8)), ((16, 24), (16, 16))]
    inputs = model.prepare([interp.open_image(picture)])
    for level, row in enumerate(found.rows, 1):
        net.zeroed = level
        with torch.no_grad():
            without = float(found.target(net(inputs))[0])
        assert row.ablations["zero"].score == pytest.approx(without - found.score, rel=1e-4, abs=1e-5)
        assert abs(row.ablations["zero"].score) > 1e-4
        assert 0 < row.share < 1


class Stacked(ThreeLevels):
    """Concatenates by another name."""

    def __init__(self, join):
        super().__init__()
        self.joined = lambda up, skip: join((up, skip))


@pytest.mark.parametrize(
    "join",
    [
        torch.hstack,
        torch.column_stack,
        lambda parts: torch.concat(parts, dim=-3),
        lambda parts: torch.concatenate(parts, axis=1),
        lambda parts: torch.cat(dim=1, tensors=parts),
    ],
    ids=["hstack", "column_stack", "concat", "concatenate", "cat"],
)
def test_every_name_of_a_concatenation(join):
    torch.manual_seed(0)
    picture = Image.fromarray(np.full((32, 48, 3), 90, dtype=np.uint8))
    found = skips_of(
        model_of(Stacked(join)), picture, interp.targets.box(0.3, 0.3, 0.7, 0.7, 0), ablate=["zero"]
    )
    assert [row.channels for row in found.rows] == [(8, 8), (16, 16)]
    assert all(row.ablations["zero"].score for row in found.rows)


class Deep(ThreeLevels):
    """An output of the coarser level is enlarged to the same size, after the other one or before."""

    def __init__(self, first=False):
        super().__init__()
        self.aux, self.first = nn.Conv2d(16, 3, 1), first

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        y2 = self.join2(self.joined(self.up2(self.bottom(self.pool(two))), two))
        out = self.logits(self.join1(self.joined(self.up1(y2), one)))
        aux = F.interpolate(self.aux(y2), size=out.shape[2:])
        return (aux, out) if self.first else (out, aux)


class Fused(Deep):
    """Outputs of every level are added up."""

    def __init__(self):
        super().__init__()
        self.lowest = nn.Conv2d(32, 3, 1)

    def forward(self, x):
        out = super().forward(x)[0]
        low = self.bottom(self.pool(self.down2(self.pool(self.down1(x)))))
        return out + F.interpolate(self.lowest(low), size=out.shape[2:])


@pytest.mark.parametrize(
    ("net", "options"),
    [(Deep, {}), (lambda: Deep(first=True), {"output": 1}), (Fused, {})],
    ids=["after", "before", "added up"],
)
def test_outputs_of_other_levels_do_not_hide_how_the_decoder_makes_its_grid_finer(net, options):
    found = upsamplings_of(model_of(net(), **options))
    assert {size: (step.kind, step.layer) for size, step in found.items()} == {
        (32, 48): ("transposed convolution", "up1"),
        (16, 24): ("transposed convolution", "up2"),
    }
